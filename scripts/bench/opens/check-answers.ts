import type { TicketAnswer } from '../driver/open-answers.ts';
import { sponsorsPerUser, type Ticket, userNameOf } from './workload.ts';

export interface BookedGrant {
  readonly packetId: bigint;
  readonly userName: string;
  readonly sponsorNo: number;
  readonly amountFen: number;
}

export interface Checked {
  readonly tickets: readonly Ticket[];
  readonly users: readonly number[];
  readonly answers: readonly TicketAnswer[];
  /** All grants of the event. */
  readonly grants: readonly BookedGrant[];
}

/** Enough to see what is wrong. */
const faultsTold = 10;

/**
 * Everything in which the answers and the ledger differ, the first few of them: each ticket has one outcome however often it was opened,
 * what was told `credited` is booked for that user and amount and nothing else is, and who was told that he is over a limit is.
 */
export function findAnswerFaults({ tickets, users, answers, grants }: Checked): string[] {
  const names = users.map(userNameOf);
  const told = new Map<number, TicketAnswer>();
  const faults: string[] = [];
  for (const answer of answers) {
    const before = told.get(answer.ticket) ?? answer;
    told.set(answer.ticket, before);
    if (before.outcome !== answer.outcome || before.amountFen !== answer.amountFen)
      faults.push(`ticket ${answer.ticket} was told ${textOf(before)}, then ${textOf(answer)}`);
  }
  const books = new Books(grants);
  for (const [at, answer] of told) {
    const ticket = tickets[at]!;
    const fault = faultOf(answer, ticket, names[ticket.user]!, books);
    if (fault !== undefined) faults.push(`packet ${ticket.packetId} of ${names[ticket.user]}: ${fault}`);
  }
  const credited = [...told.values()].filter(({ outcome }) => outcome === 'credited').length;
  if (credited !== grants.length) faults.push(`${credited} packets were told credited, ${grants.length} are booked`);
  return faults.slice(0, faultsTold);
}

class Books {
  readonly byPacket = new Map<bigint, BookedGrant>();
  private readonly byUser = new Map<string, BookedGrant[]>();

  constructor(grants: readonly BookedGrant[]) {
    for (const grant of grants) {
      this.byPacket.set(grant.packetId, grant);
      const own = this.byUser.get(grant.userName);
      if (own === undefined) this.byUser.set(grant.userName, [grant]);
      else own.push(grant);
    }
  }

  ofUser(userName: string): readonly BookedGrant[] {
    return this.byUser.get(userName) ?? [];
  }
}

function faultOf(answer: TicketAnswer, ticket: Ticket, userName: string, books: Books): string | undefined {
  const grant = books.byPacket.get(ticket.packetId);
  if (answer.outcome === 'credited') {
    if (grant === undefined) return 'told credited, and not booked';
    const isSame = grant.userName === userName && grant.amountFen === answer.amountFen;
    return isSame ? undefined : `told ${textOf(answer)}, booked ${grant.amountFen} fen to ${grant.userName}`;
  }
  if (grant !== undefined) return `told ${answer.outcome}, and booked to ${grant.userName}`;
  const held = books.ofUser(userName);
  const isTrue =
    (answer.outcome === 'limit_reached' && held.length >= sponsorsPerUser) ||
    (answer.outcome === 'sponsor_limit_reached' && held.some(({ sponsorNo }) => sponsorNo === ticket.sponsorNo));
  return isTrue ? undefined : `told ${answer.outcome}, and holds ${held.length} packets`;
}

function textOf({ outcome, amountFen }: TicketAnswer): string {
  return outcome === 'credited' ? `credited ${amountFen} fen` : outcome;
}
