import { type BlockState, fullMask, indexesOf, packetIdOf, packetRefOf, packetsInBlock } from '#libs/domain';
import type { EventRecord, PoolRecord } from '../../read/load-events.ts';
import type { OpenClaim, OpenSettlement } from '../../sql/settle-opens.sql.ts';
import { amountOf } from '../event.ts';
import { claimOrder, mismatch } from './order.ts';

/** A block as the ledger ought to have it; `left`: the indexes that its epoch may issue. */
export interface RefBlock {
  readonly poolId: number;
  readonly blockNo: number;
  epoch: number;
  state: BlockState;
  left: number[];
  issueUntilMs: number;
}

export interface RefGrant {
  readonly userId: string;
  readonly epoch: number;
  readonly sponsorNo: number;
  readonly ordinal: number;
  readonly amountFen: number;
}

export interface RefGrab {
  readonly userId: string;
  readonly amountFen: number;
}

/** One right to one packet: what has one outcome, for ever (invariant 7). */
export interface TicketKey {
  readonly packetId: bigint;
  readonly epoch: number;
  readonly userId: string;
}

export const keyOf = ({ packetId, epoch, userId }: TicketKey): string => `${packetId}/${epoch}/${userId}`;
export const blockKeyOf = (poolId: number, blockNo: number): string => `${poolId}/${blockNo}`;
export const packetIdsIn = ({ poolId, blockNo, left }: Pick<RefBlock, 'poolId' | 'blockNo' | 'left'>): bigint[] =>
  left.map((index) => packetIdOf({ poolId, blockNo, index }));

/**
 * What the database ought to hold, in maps, changed by one operation after the other at the instant of its commit. It shares with the
 * product the derivation of amounts and the packing of ids, and no SQL.
 */
export class Reference {
  readonly pools: ReadonlyMap<number, PoolRecord>;
  readonly nextBlocks = new Map<number, number>();
  readonly blocks = new Map<string, RefBlock>();
  readonly grants = new Map<bigint, RefGrant>();
  readonly grabs = new Map<bigint, RefGrab[]>();
  /** By ticket. */
  readonly outcomes = new Map<string, string>();
  /** By ticket: is it waiting for its replay? */
  readonly letters = new Map<string, boolean>();
  readonly refunds = new Map<number, number>();
  state: 'live' | 'closed' | 'settled' = 'live';
  isSettling = false;
  closedAtMs: number | undefined;
  commits = 0;

  constructor(readonly event: EventRecord) {
    this.pools = new Map(event.pools.map((pool) => [pool.poolId, pool]));
    for (const poolId of this.pools.keys()) this.nextBlocks.set(poolId, 0);
  }

  blockOf(packetId: bigint): RefBlock | undefined {
    const { poolId, blockNo } = packetRefOf(packetId);
    return this.blocks.get(blockKeyOf(poolId, blockNo));
  }

  /** planned → out. */
  stock(poolId: number, upToBlock: number, countMax: number, issueUntilMs: number): RefBlock[] {
    if (this.state !== 'live') return [];
    const pool = this.pools.get(poolId)!;
    const first = this.nextBlocks.get(poolId)!;
    const end = Math.min(upToBlock, pool.blockCount, first + countMax);
    const stocked: RefBlock[] = [];
    for (let blockNo = first; blockNo < end; blockNo++) {
      const left = indexesOf(fullMask(packetsInBlock(pool, blockNo)));
      const block: RefBlock = { poolId, blockNo, epoch: 1, state: 'out', left, issueUntilMs };
      this.blocks.set(blockKeyOf(poolId, blockNo), block);
      stocked.push(block);
    }
    this.nextBlocks.set(poolId, Math.max(first, end));
    return stocked;
  }

  /** reclaimed → out in the next epoch, without what was granted; closed when nothing is left. */
  restock(poolId: number, countMax: number, issueUntilMs: number): { stocked: RefBlock[]; closed: number } {
    if (this.state !== 'live') return { stocked: [], closed: 0 };
    const due = [...this.blocks.values()]
      .filter((block) => block.poolId === poolId && block.state === 'reclaimed')
      .sort((a, b) => a.blockNo - b.blockNo)
      .slice(0, countMax);
    const stocked: RefBlock[] = [];
    for (const block of due) {
      const left = this.ungrantedIn(block);
      if (left.length === 0) {
        block.state = 'closed';
        continue;
      }
      Object.assign(block, { state: 'out', epoch: block.epoch + 1, left, issueUntilMs });
      stocked.push(block);
    }
    return { stocked, closed: due.length - stocked.length };
  }

  private ungrantedIn({ poolId, blockNo }: RefBlock): number[] {
    const all = indexesOf(fullMask(packetsInBlock(this.pools.get(poolId)!, blockNo)));
    return all.filter((index) => !this.grants.has(packetIdOf({ poolId, blockNo, index })));
  }

  /** out → reclaimed, or closed when all of it is granted, for the candidates that may go. */
  reclaim(nowMs: number, candidates: readonly { poolId: number; blockNo: number; epoch: number }[]): RefBlock[] {
    const moved = candidates.flatMap(({ poolId, blockNo, epoch }) => {
      const block = this.blocks.get(blockKeyOf(poolId, blockNo));
      return block?.state === 'out' && block.epoch === epoch && this.isLapsed(block, nowMs) ? [block] : [];
    });
    for (const block of moved) block.state = this.ungrantedIn(block).length === 0 ? 'closed' : 'reclaimed';
    return moved;
  }

  private isLapsed(block: RefBlock, nowMs: number): boolean {
    if (nowMs < block.issueUntilMs + this.event.ticketTtlMs + this.event.graceMs) return false;
    return ![...this.letters].some(([key, waits]) => waits && this.blockOf(BigInt(key.split('/')[0]!)) === block);
  }

  /** out → retired. */
  retire(): number {
    return this.move((block) => block.state === 'out', 'retired', Number.POSITIVE_INFINITY);
  }

  /** Any state → closed, once nothing is booked any more. */
  closeBlocks(limit: number): number {
    return this.isSettling ? this.move((block) => block.state !== 'closed', 'closed', limit) : 0;
  }

  private move(isDue: (block: RefBlock) => boolean, state: BlockState, limit: number): number {
    const due = [...this.blocks.values()]
      .filter(isDue)
      .sort((a, b) => a.poolId - b.poolId || a.blockNo - b.blockNo)
      .slice(0, limit);
    for (const block of due) block.state = state;
    return due.length;
  }

  close(nowMs: number): boolean {
    if (this.state !== 'live') return false;
    this.state = 'closed';
    this.closedAtMs = nowMs;
    return true;
  }

  beginSettlement(): boolean {
    if (this.state !== 'closed') return false;
    this.isSettling = true;
    return true;
  }

  settle(refunds: ReadonlyMap<number, number>): boolean {
    if (this.state === 'settled') return true;
    if (!this.isSettling || [...this.blocks.values()].some(({ state }) => state !== 'closed')) return false;
    this.state = 'settled';
    for (const [poolId, amountFen] of refunds) this.refunds.set(poolId, amountFen);
    return true;
  }

  /**
   * Books what `settle_opens` says of a batch, if each answer is one that the rules allow. Where more than one rule denies an open, the
   * database may name any of them, the first time; ever after it is that one. @throws at the first answer that is wrong.
   */
  settleOpens(claims: readonly OpenClaim[], answers: readonly OpenSettlement[]): void {
    for (const at of claimOrder(claims, (claim) => claim.packetId, keyOf)) this.settleOpen(claims[at]!, answers[at]!);
  }

  private settleOpen(claim: OpenClaim, answer: OpenSettlement): void {
    const key = keyOf(claim);
    const known = this.outcomes.get(key);
    const grant = this.grants.get(claim.packetId);
    if (known === 'credited') {
      const { amountFen, ordinal } = grant!;
      mismatch.unless({ outcome: 'credited', amountFen, ordinal, isNew: false }, answer, `repeated open ${key}`);
      return;
    }
    const denials = known === undefined ? this.denialsOf(claim) : new Set([known]);
    if (denials.size > 0) {
      mismatch.unlessIn(denials, answer.outcome, `open ${key}`);
      this.outcomes.set(key, answer.outcome);
      return;
    }
    const { userId, epoch, sponsorNo } = claim;
    const ordinal = this.heldBy(userId).length + 1;
    const amountFen = amountOf(this.pools.get(packetRefOf(claim.packetId).poolId)!, claim.packetId);
    mismatch.unless({ outcome: 'credited', amountFen, ordinal, isNew: true }, answer, `open ${key}`);
    this.grants.set(claim.packetId, { userId, epoch, sponsorNo, ordinal, amountFen });
    this.outcomes.set(key, 'credited');
  }

  /** Every rule that stands against a ticket that has no outcome yet. */
  denialsOf({ packetId, epoch, userId, sponsorNo }: TicketKey & { readonly sponsorNo: number }): Set<string> {
    const denials = new Set<string>();
    const grant = this.grants.get(packetId);
    if (this.hasLapsed(packetId, epoch)) denials.add('expired');
    if (grant !== undefined) denials.add(grant.userId === userId ? 'expired' : 'taken');
    const held = this.heldBy(userId);
    if (held.some((one) => one.sponsorNo === sponsorNo)) denials.add('sponsor_limit');
    if (held.length >= this.event.perUserMax) denials.add('limit');
    return denials;
  }

  /** No ticket of this epoch of the packet can be granted any more. */
  hasLapsed(packetId: bigint, epoch: number): boolean {
    const block = this.blockOf(packetId);
    return this.isSettling || block === undefined || block.state === 'closed' || block.epoch !== epoch;
  }

  heldBy(userId: string): RefGrant[] {
    return [...this.grants.values()].filter((grant) => grant.userId === userId);
  }
}
