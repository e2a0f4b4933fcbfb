import type { CreditedPacket, OpenOutcome, PacketStatus, PendingPacket } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import {
  type Claim,
  type KeyRing,
  mergeShakeStates,
  packetRefOf,
  readShakeStates,
  signClaim,
  signShakeState,
} from '#libs/domain';
import { ProblemError } from '#libs/runtime';
import type { GatewayEvent } from '../events/gateway-event.ts';
import type { StoreTime } from '../process/store-time.ts';
import { type Credited, CreditedPackets } from './credited-packets.ts';

/** A client that was told `pending` asks again after this, and up to half as much later. */
const pollAfterMs = 500;

/** Who asks, and the client state that came along. */
export interface Asker {
  readonly userId: string;
  readonly stateHeader: string | undefined;
}

/** A packet that became a user's for good. */
export interface CreditedWin {
  readonly eventId: string;
  readonly packetId: bigint;
  readonly sponsorNo: number;
}

export interface PacketAnswersParts {
  readonly ring: KeyRing;
  readonly time: StoreTime;
  readonly degradation: Pick<DegradationHolder, 'pollAfterMs'>;
  /** Told of each packet that became a user's for good. */
  readonly onCredited: (userId: string, win: CreditedWin) => void;
}

/** What open and status answer, the same for both: `credited` with the client's new state, `pending` with a receipt, or a denial. */
export class PacketAnswers {
  private readonly known = new CreditedPackets();

  constructor(private readonly parts: PacketAnswersParts) {}

  /** The answer for a packet that is known to be this user's, by the ticket of that epoch; undefined when this process does not know. */
  knownOf(packetId: string, epoch: number | undefined, asker: Asker): CreditedPacket | undefined {
    const known = this.known.get(packetId, asker.userId, epoch);
    return known && this.withState(known.packet, BigInt(packetId), known.sponsorNo, asker);
  }

  /** The lane's word on a ticket. */
  creditedByLane(ticket: Claim, event: GatewayEvent, amountFen: number, asker: Asker): CreditedPacket {
    const sponsor = event.sponsors.get(ticket.sponsorNo);
    const pool = event.pools.get(packetRefOf(ticket.packetId).poolId);
    if (sponsor === undefined || pool === undefined)
      throw new Error(
        `event ${event.idText} has no sponsor ${ticket.sponsorNo} or not the pool of packet ${ticket.packetId}`,
      );
    const packet: Credited = {
      status: 'credited',
      packetId: String(ticket.packetId),
      eventId: event.idText,
      sponsor,
      amountFen,
      share: { portions: pool.sharePortions },
    };
    return this.credit(packet, ticket.packetId, ticket, asker);
  }

  /** The ledger's word on a packet. */
  creditedByLedger(status: Extract<PacketStatus, { status: 'credited' }>, asker: Asker): CreditedPacket {
    const { packetId, eventId, sponsor, amountFen, portions } = status;
    const packet: Credited = { status: 'credited', packetId, eventId, sponsor, amountFen, share: { portions } };
    return this.credit(packet, BigInt(packetId), status, asker);
  }

  /** `claim`: the ticket of the open, or its receipt. */
  pending(claim: Claim, acceptedAtMs: number): PendingPacket {
    return {
      status: 'pending',
      packetId: String(claim.packetId),
      receipt: signClaim(this.parts.ring, { ...claim, kind: 'receipt', atMs: acceptedAtMs }),
      pollAfterMs: Math.round(this.parts.degradation.pollAfterMs(pollAfterMs) * (1 + Math.random() / 2)),
    };
  }

  private credit(
    packet: Credited,
    packetId: bigint,
    { sponsorNo, epoch }: Pick<Claim, 'sponsorNo' | 'epoch'>,
    asker: Asker,
  ): CreditedPacket {
    this.known.add({ userId: asker.userId, packet, sponsorNo, epoch });
    this.parts.onCredited(asker.userId, { eventId: packet.eventId, packetId, sponsorNo });
    return this.withState(packet, packetId, sponsorNo, asker);
  }

  /** The win counts as opened from now on, until the event ends. */
  private withState(
    packet: Credited,
    packetId: bigint,
    sponsorNo: number,
    { userId, stateHeader }: Asker,
  ): CreditedPacket {
    const { ring, time } = this.parts;
    const eventId = Number(packet.eventId);
    const states = stateHeader === undefined ? [] : readShakeStates(ring, eventId, userId, stateHeader);
    const opened = { packetId, sponsorNo, expiresAtMs: 0 };
    const wins = mergeShakeStates([...states, { wins: [opened] }], time.approxMs());
    return { ...packet, state: signShakeState(ring, { eventId, userId, wins }) };
  }
}

type Denial = Exclude<OpenOutcome['outcome'], 'credited' | 'dead'>;

/** What the ledger's word on a ticket that is too late for a lane comes to: nothing there means that it expired unopened. */
export function denialOf(status: Exclude<PacketStatus['status'], 'credited' | 'pending' | 'uncertain'>): Denial {
  return status === 'open' || status === 'unknown' ? 'expired' : status;
}

/** The problem that ends an open. A ticket has one outcome, so it is the same however often it is asked (invariant 7). */
export function problemOfDenial(denial: Denial): ProblemError {
  switch (denial) {
    case 'limit':
      return new ProblemError('limit_reached');
    case 'sponsor_limit':
      return new ProblemError('sponsor_limit_reached');
    case 'taken':
      return new ProblemError('packet_gone');
    case 'expired':
      return new ProblemError('ticket_expired');
  }
}
