import { expect, test } from 'vitest';
import type { TicketAnswer } from '../driver/open-answers.ts';
import { type BookedGrant, findAnswerFaults } from './check-answers.ts';
import { type Ticket, userNameOf } from './workload.ts';

const users = [100, 200];
const name = userNameOf(100);
const tickets: Ticket[] = [0, 1, 2, 3, 0].map((sponsorNo, no) => {
  return { user: 0, packetId: BigInt(no + 1), sponsorNo, epoch: 1 };
});
const credited = (ticket: number): TicketAnswer => ({ ticket, outcome: 'credited', amountFen: 10 + ticket });
const denied = (ticket: number, outcome: string): TicketAnswer => ({ ticket, outcome, amountFen: 0 });
const grantOf = (ticket: number): BookedGrant => {
  const { packetId, sponsorNo } = tickets[ticket]!;
  return { packetId, sponsorNo, userName: name, amountFen: 10 + ticket };
};
const grants = [0, 1, 2].map(grantOf);
const answers = [credited(0), credited(1), credited(1), credited(2)];
const find = (told: readonly TicketAnswer[], booked: readonly BookedGrant[] = grants) =>
  findAnswerFaults({ tickets, users, answers: told, grants: booked });

test('answers that are as the books say pass, repeats and denials among them', () => {
  expect(find([...answers, denied(3, 'limit_reached'), denied(4, 'sponsor_limit_reached')])).toEqual([]);
});

test('what was credited must be booked, for that user and amount, and nothing else may be', () => {
  expect(find(answers, grants.slice(1))).toEqual([
    expect.stringContaining('told credited, and not booked'),
    '3 packets were told credited, 2 are booked',
  ]);
  expect(find(answers, [{ ...grants[0]!, amountFen: 99 }, ...grants.slice(1)])[0]).toContain('booked 99 fen');
  expect(find(answers, [{ ...grants[0]!, userName: 'another' }, ...grants.slice(1)])[0]).toContain('to another');
  expect(find(answers.slice(1))).toEqual(['2 packets were told credited, 3 are booked']);
});

test('one ticket has one outcome', () => {
  expect(find([...answers, denied(1, 'packet_gone')])[0]).toContain('credited 11 fen, then packet_gone');
  expect(find([...answers, { ...credited(1), amountFen: 4 }])[0]).toContain('credited 11 fen, then credited 4 fen');
});

test('a denial must be true: the user holds what the limit says, and the packet is not booked', () => {
  const two = grants.slice(0, 2);
  const told = answers.slice(0, 3);
  expect(find([...told, denied(3, 'limit_reached')], two)[0]).toContain('and holds 2 packets');
  expect(find([...told, denied(3, 'sponsor_limit_reached')], two)[0]).toContain('told sponsor_limit_reached');
  expect(find([...told, denied(2, 'limit_reached')])[0]).toContain('told limit_reached, and booked');
  expect(find([...answers, denied(3, 'ticket_expired')])[0]).toContain('told ticket_expired');
});
