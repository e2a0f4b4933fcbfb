import { keyRingSchema } from '#libs/contracts';
import { createKeyRing, type KeyRing, signClaim, signShakeState } from '#libs/domain';
import type { TokenMaker } from '../measure/tokens.ts';
import { userNameOf, type Workload } from '../opens/workload.ts';
import type { OpensScript } from './plans.ts';

export interface OpenRequestsOptions {
  readonly port: number;
  readonly ring: KeyRing;
  readonly eventId: number;
  /** Tickets and client states end then. */
  readonly expiresAtMs: number;
  readonly users: readonly number[];
  readonly workload: Workload;
  /** A session token of a user by his name. */
  readonly tokenOf: (userName: string) => string;
}

/** The opens of a workload as phones send them: session, client state with the wins that are not opened, ticket. */
export class OpenRequests {
  private readonly heads: readonly string[];
  private readonly tickets: readonly string[];

  /** Signs everything beforehand, as gateways did when the packets were won. */
  constructor({ port, ring, eventId, expiresAtMs: atMs, users, workload, tokenOf }: OpenRequestsOptions) {
    const names = users.map(userNameOf);
    const winsOf = names.map((): { packetId: bigint; sponsorNo: number; expiresAtMs: number }[] => []);
    this.tickets = workload.tickets.map(({ user, packetId, sponsorNo, epoch }) => {
      winsOf[user]!.push({ packetId, sponsorNo, expiresAtMs: atMs });
      return signClaim(ring, { kind: 'ticket', eventId, packetId, epoch, sponsorNo, atMs, userId: names[user]! });
    });
    const ticketHead = names.map((userId, user) => {
      const state = signShakeState(ring, { eventId, userId, wins: winsOf[user]! });
      return headOf(port, tokenOf(userId), state);
    });
    this.heads = workload.tickets.map(({ user }) => ticketHead[user]!);
  }

  /** The open of a ticket; with the receipt that a `pending` answer brought. */
  of(ticket: number, receipt?: string): string {
    const body = JSON.stringify({ ticket: this.tickets[ticket]!, ...(receipt === undefined ? {} : { receipt }) });
    return `${this.heads[ticket]!}Content-Length: ${body.length}\r\n\r\n${body}`;
  }
}

function headOf(port: number, token: string, state: string): string {
  return (
    `POST /v1/packets/open HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n` +
    `Content-Type: application/json\r\nX-Shake-State: ${state}\r\n`
  );
}

/** The opens of a script, by users whose sessions come from `tokens`. */
export function requestsOf(
  port: number,
  { eventId, expiresAtMs, shape, ticketKeys }: OpensScript,
  workload: Workload,
  tokens: TokenMaker,
): OpenRequests {
  return new OpenRequests({
    port,
    ring: createKeyRing(keyRingSchema.parse(ticketKeys)),
    eventId,
    expiresAtMs,
    users: shape.users,
    workload,
    tokenOf: (userName) => tokens.makeFor(userName),
  });
}
