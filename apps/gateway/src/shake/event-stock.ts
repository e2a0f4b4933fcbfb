import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import type { PoolRelease, UserHash } from '#libs/domain';
import type { IssuedIndex } from './pool-hand.ts';
import type { ShakeRate } from './shake-rate.ts';
import type { PoolVisit, StockNews } from './stock-holder.ts';
import { StockedPool } from './stocked-pool.ts';

/** Pools are told and asked about from this long before their wave starts: stock is pushed a few seconds ahead. */
const waveLeadMs = 10_000;
/** A pool that is used up is looked at in one of so many periods only: something may have come back. */
const dormantPeriods = 8;

type PoolSnapshot = EventSnapshot['pools'][number];

/** Everything that this process may issue in one event, and the chances of it. Events share no stock. */
export class EventStock {
  private readonly pools = new Map<number, StockedPool>();
  /** Those whose wave has begun, or begins soon. */
  private open: StockedPool[] = [];
  private sumOfChances = 0;
  private hasKept = false;
  private gateways = 1;
  private endsAtMs = 0;
  private opensAtMs: ReadonlyMap<number, number> = new Map();

  constructor(
    snapshot: EventSnapshot,
    private readonly rate: ShakeRate,
  ) {
    this.update(snapshot);
  }

  /** Takes the pools of a newer snapshot; what is in hand stays. */
  update(snapshot: EventSnapshot): void {
    this.endsAtMs = snapshot.endsAtMs;
    const opensAtMs = new Map<number, number>();
    for (const pool of snapshot.pools) {
      const release = releaseOf(snapshot, pool);
      opensAtMs.set(pool.poolId, release.startsAtMs - waveLeadMs);
      const known = this.pools.get(pool.poolId);
      if (known === undefined) this.pools.set(pool.poolId, new StockedPool(pool, release));
      else known.update(release);
    }
    this.opensAtMs = opensAtMs;
  }

  /** Indexes in hand. */
  get left(): number {
    return this.sumOf(({ hand }) => hand.left);
  }

  get blockCount(): number {
    return this.sumOf(({ hand }) => hand.blockCount);
  }

  leftOf(poolId: number): number {
    return this.pools.get(poolId)?.hand.left ?? 0;
  }

  /** Luck from here on wins nothing: whoever has such luck need not be looked at. 1 while packets are kept for waiting winners. */
  get chance(): number {
    return this.hasKept ? 1 : this.sumOfChances;
  }

  /** The chance of a user who holds nothing yet; nobody has a better one. */
  get chanceOfAny(): number {
    return this.sumOfChances;
  }

  /** Pool by pool, for tests and figures. */
  chanceOf(poolId: number): number {
    return this.pools.get(poolId)?.chance ?? 0;
  }

  /** Takes blocks in hand; they count at once, without waiting for the tick. */
  add(blocks: readonly StockedBlock[], nowMs: number): void {
    for (const block of blocks) this.pools.get(block.poolId)?.add(block);
    this.look(nowMs);
  }

  /** Takes what a visit brought: blocks, what is on the lists, what all gateways told. */
  take({ answer, reported, gateways }: StockNews, nowMs: number): void {
    this.gateways = gateways;
    for (const [poolId, shakes] of reported?.shakes ?? []) {
      this.pools.get(poolId)?.figures.report(reported!.period, shakes);
    }
    for (const [poolId, listed] of answer.listed) {
      const pool = this.pools.get(poolId);
      if (pool === undefined) continue;
      pool.figures.listed = listed;
      const totals = answer.totals?.pools.get(poolId);
      if (totals !== undefined) pool.figures.take({ period: answer.totals!.period, ...totals });
      for (const block of answer.blocks.get(poolId) ?? []) pool.add(block);
    }
    this.look(nowMs);
  }

  /** Forgets blocks that ended and tunes the chances to release and demand, each tick. */
  tune(nowMs: number): void {
    this.open = [...this.pools.values()].filter(({ poolId }) => this.isOpen(poolId, nowMs));
    this.look(nowMs);
    for (const pool of this.open) pool.deal();
  }

  /** Figures and needs of the pools that are to be told and asked about in this period; none for pools of later waves. */
  visits(nowMs: number, period: number): PoolVisit[] {
    const awake = this.open.filter(
      (pool) => period % dormantPeriods === pool.poolId % dormantPeriods || !pool.isDormant(nowMs),
    );
    return awake.map((pool) => ({
      poolId: pool.poolId,
      shakes: this.rate.inPeriodWithout(period, pool.sponsorNo),
      left: pool.hand.left,
      wanted: pool.wanted(nowMs, this.gateways),
    }));
  }

  /** True when a pool that is won here has too little in hand to wait for the next visit. */
  isRunningOut(): boolean {
    return this.open.some((pool) => pool.isRunningOut());
  }

  /**
   * What a shake of this luck, uniform in [0, 1), wins: each pool has a part of the luck as large as its chance, the same for every
   * user, so that no luck wins twice for one who shows different wins here and there. Nothing of a sponsor whom the user holds
   * (invariant 5). Undefined: nothing; then a packet may be kept for the `user` all the same (WaitingWinners).
   */
  issue(
    luck: number,
    holdsSponsor: (sponsorNo: number) => boolean,
    nowMs: number,
    user?: UserHash,
  ): IssuedIndex | undefined {
    const kept = this.hasKept && user !== undefined ? this.redeem(holdsSponsor, nowMs, user) : undefined;
    if (kept !== undefined || luck >= this.sumOfChances) return kept;
    // several pools may offer more than 1 together: then every luck wins, and each has its share of it
    let point = this.sumOfChances > 1 ? luck * this.sumOfChances : luck;
    for (const pool of this.open) {
      point -= pool.chance;
      if (point >= 0) continue;
      return holdsSponsor(pool.sponsorNo) ? undefined : pool.issue(nowMs, user);
    }
    return undefined;
  }

  private redeem(holdsSponsor: (sponsorNo: number) => boolean, nowMs: number, user: UserHash): IssuedIndex | undefined {
    for (const pool of this.open) {
      if (!pool.waiting.has(user)) continue;
      if (holdsSponsor(pool.sponsorNo)) pool.waiting.delete(user);
      const issued = pool.redeem(nowMs, user);
      if (issued !== undefined) return issued;
    }
    return undefined;
  }

  private look(nowMs: number): void {
    const moment = { nowMs, rate: this.rate, gateways: this.gateways, eventEndsAtMs: this.endsAtMs };
    this.sumOfChances = 0;
    this.hasKept = false;
    for (const pool of this.open) {
      pool.tune(moment);
      this.sumOfChances += pool.chance;
      this.hasKept ||= pool.waiting.size > 0 && pool.hand.left > 0;
    }
  }

  private isOpen(poolId: number, nowMs: number): boolean {
    return nowMs >= this.opensAtMs.get(poolId)! && nowMs < this.endsAtMs;
  }

  private sumOf(of: (pool: StockedPool) => number): number {
    let sum = 0;
    for (const pool of this.pools.values()) sum += of(pool);
    return sum;
  }
}

function releaseOf({ waves, stockLeadMs }: EventSnapshot, pool: PoolSnapshot): PoolRelease {
  const wave = waves.find(({ no }) => no === pool.waveNo)!;
  const { packetCount, blockSize, releaseCurve } = pool;
  return {
    releaseCurve,
    packetCount,
    blockSize,
    startsAtMs: wave.startsAtMs,
    durationMs: wave.durationMs,
    stockLeadMs,
  };
}
