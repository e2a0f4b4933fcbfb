import { type BlockState, indexesOf, packetIdOf, packetRefOf } from '#libs/domain';
import type { OpenClaim, OpenSettlement } from '../../sql/settle-opens.sql.ts';
import type { StockedBlockRow } from '../../sql/stock-blocks.sql.ts';
import { amountOf, t0 } from '../event.ts';
import { mismatch } from './order.ts';
import { keyOf, type RefBlock, type Reference } from './reference.ts';
import { type Acceptance, type Job, laneOf, Store, type Ticket } from './store.ts';

/** How long an accepted open may take until it is durable; `graceMs` of the event is twice as much. */
export const acceptMaxMs = 300;
/** How much later than the database a gateway may learn that an event was closed, at most. */
export const stockLeadMs = 500;
export const userCount = 4;

interface InHand {
  readonly block: StockedBlockRow;
  readonly indexes: number[];
}

/**
 * Everything around the database: one clock, the store, two gateways, users with their tickets. It obeys the rules that gateways and lanes
 * keep, and checks what the database must make true of it.
 */
export class World {
  nowMs = t0;
  readonly store = new Store();
  readonly tickets: Ticket[] = [];
  readonly acceptances: Acceptance[] = [];
  private readonly hands: InHand[][] = [[], []];
  private jobs = 0;

  constructor(
    readonly reference: Reference,
    /** Is any operation under way? */
    readonly isBusy: () => boolean,
  ) {}

  userId(no: number): string {
    return `m${this.reference.event.id}-${no % userCount}`;
  }

  userNoOf({ userId }: Ticket): number {
    return Number(userId.split('-')[1]);
  }

  poolOf(sponsorNo: number) {
    return this.reference.event.pools.find((pool) => pool.sponsorNo === sponsorNo)!;
  }

  blocksIn(state: BlockState): RefBlock[] {
    return [...this.reference.blocks.values()].filter((block) => block.state === state);
  }

  /** Tickets of a block's epoch that are past; those without an outcome if there are any. */
  pastTicketsOf({ poolId, blockNo, epoch }: Pick<RefBlock, 'poolId' | 'blockNo' | 'epoch'>): Ticket[] {
    const past = this.tickets.filter((ticket) => {
      const ref = packetRefOf(ticket.packetId);
      const isOf = ref.poolId === poolId && ref.blockNo === blockNo && ticket.epoch === epoch;
      return isOf && ticket.expiresAtMs <= this.nowMs;
    });
    const open = past.filter((ticket) => !this.reference.outcomes.has(keyOf(ticket)));
    return open.length > 0 ? open : past;
  }

  /** Tickets that have no outcome, and could still be granted. */
  unlapsed(): Ticket[] {
    const { reference } = this;
    return this.tickets.filter(
      (ticket) => !reference.outcomes.has(keyOf(ticket)) && !reference.hasLapsed(ticket.packetId, ticket.epoch),
    );
  }

  /** When blocks that are out can no longer be issued, accepted opens of, or are due. */
  deadlines(kind: 'issue' | 'accept' | 'reclaim'): number[] {
    const { ticketTtlMs, graceMs } = this.reference.event;
    const afterMs = { issue: 0, accept: ticketTtlMs, reclaim: ticketTtlMs + graceMs }[kind];
    return this.blocksIn('out').map(({ issueUntilMs }) => issueUntilMs + afterMs);
  }

  /** Where a shake can win now. */
  winnable(): { readonly gateway: number; readonly poolId: number }[] {
    const all = [0, 1].flatMap((gateway) => this.reference.event.pools.map(({ poolId }) => ({ gateway, poolId })));
    return all.filter(
      ({ gateway, poolId }) => this.handOf(gateway, poolId) !== undefined || this.store.hasStock(poolId, this.nowMs),
    );
  }

  private handOf(gateway: number, poolId: number): InHand | undefined {
    return this.hands[gateway]!.find(
      ({ block, indexes }) => block.poolId === poolId && indexes.length > 0 && this.nowMs < block.issueUntilMs,
    );
  }

  /** A shake that wins: the next index of a block in hand, else of one from the list. */
  shake(gateway: number, poolId: number, userNo: number): Ticket | undefined {
    const { sponsorNo } = this.reference.pools.get(poolId)!;
    let held = this.handOf(gateway, poolId);
    if (held === undefined) {
      const block = this.store.pop(poolId, this.nowMs);
      if (block === undefined) return undefined;
      held = { block, indexes: indexesOf(block.mask) };
      this.hands[gateway]!.push(held);
    }
    const { blockNo, epoch } = held.block;
    const packetId = packetIdOf({ poolId, blockNo, index: held.indexes.shift()! });
    return this.issue({ packetId, epoch, userId: this.userId(userNo), sponsorNo });
  }

  private issue(right: Omit<Ticket, 'expiresAtMs'>): Ticket {
    const { packetId, epoch } = right;
    const earlier = this.tickets.filter((ticket) => ticket.packetId === packetId);
    const what = `packet ${packetId} issued in epoch ${epoch}`;
    mismatch.unlessTrue(!earlier.some((ticket) => ticket.epoch >= epoch), `${what}: again (invariant 2)`);
    mismatch.unlessTrue(
      !earlier.some((ticket) => ticket.expiresAtMs > this.nowMs),
      `${what}: an earlier ticket is still valid (invariant 3)`,
    );
    mismatch.unlessTrue(!this.reference.grants.has(packetId), `${what}: it is granted (invariant 3)`);
    mismatch.unlessTrue(
      !this.undecided().some(({ ticket }) => ticket.packetId === packetId),
      `${what}: an accepted open of an earlier ticket is not decided (invariant 3)`,
    );
    const ticket = { ...right, expiresAtMs: this.nowMs + this.reference.event.ticketTtlMs };
    this.tickets.push(ticket);
    return ticket;
  }

  gatewayDies(gateway: number): void {
    this.hands[gateway] = [];
  }

  /** Tickets that can be opened now, the latest first. */
  openable(): Ticket[] {
    return this.tickets.filter((ticket) => ticket.expiresAtMs > this.nowMs).reverse();
  }

  accept(ticket: Ticket, isPoison: boolean): Acceptance {
    const acceptance = { ticket, acceptedAtMs: this.nowMs, isPoison, isDurable: false };
    this.acceptances.push(acceptance);
    return acceptance;
  }

  /** On its way into its lane: the entry first, then the job. */
  jobOf(acceptance: Acceptance): Job {
    this.jobs += 1;
    return { id: this.jobs, lane: laneOf(acceptance.ticket.packetId), acceptance };
  }

  /** The job is durable, unless it comes too late: then nobody was promised anything. */
  land(job: Job, startedAtMs: number): void {
    if (this.nowMs > startedAtMs + acceptMaxMs) return;
    this.store.enqueue(job);
    job.acceptance.isDurable = true;
  }

  /** Promised, and neither granted nor denied yet. */
  undecided(): Acceptance[] {
    return this.acceptances.filter(({ isDurable, ticket }) => isDurable && !this.reference.outcomes.has(keyOf(ticket)));
  }

  claimOf({ ticket, acceptedAtMs, isPoison }: Acceptance, isMended = false): OpenClaim {
    const { packetId, epoch, userId, sponsorNo } = ticket;
    const pool = this.poolOf(sponsorNo);
    const amountFen = isPoison && !isMended ? pool.maxFen + 1 : amountOf(pool, packetId);
    return { packetId, epoch, userId, sponsorNo, eventId: this.reference.event.id, acceptedAtMs, amountFen };
  }

  /** Books the answers to accepted opens: none of them may be told that it came too late (invariants 3, 4, 6). */
  bookOpens(
    acceptances: readonly Acceptance[],
    claims: readonly OpenClaim[],
    answers: readonly OpenSettlement[],
  ): void {
    this.reference.settleOpens(claims, answers);
    if (this.reference.isSettling) return;
    for (const [at, { ticket, isDurable }] of acceptances.entries()) {
      const { outcome } = answers[at]!;
      const isLate = isDurable && (outcome === 'expired' || outcome === 'taken');
      mismatch.unlessTrue(!isLate, `accepted open ${keyOf(ticket)} is told ${outcome} (invariant 4)`);
    }
  }
}
