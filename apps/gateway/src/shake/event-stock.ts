import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { PoolChance } from './pool-chance.ts';
import { type IssuedIndex, PoolHand } from './pool-hand.ts';
import type { ShakeRate } from './shake-rate.ts';

interface StockedPool {
  readonly hand: PoolHand;
  readonly chance: PoolChance;
}

/** Everything that this process may issue in one event, and the chances of it. Events share no stock. */
export class EventStock {
  private readonly pools = new Map<number, StockedPool>();
  private chanceOfAny = 0;

  constructor(
    pools: EventSnapshot['pools'],
    private readonly rate: Pick<ShakeRate, 'perSecondWithout'>,
  ) {
    this.update(pools);
  }

  /** Takes the pools of a newer snapshot; what is in hand stays. */
  update(pools: EventSnapshot['pools']): void {
    for (const { poolId, sponsorNo } of pools) {
      if (this.pools.has(poolId)) continue;
      const hand = new PoolHand(poolId, sponsorNo);
      this.pools.set(poolId, { hand, chance: new PoolChance(hand) });
    }
  }

  /** Indexes in hand. */
  get left(): number {
    return this.sumOf((hand) => hand.left);
  }

  get blockCount(): number {
    return this.sumOf((hand) => hand.blockCount);
  }

  leftOf(poolId: number): number {
    return this.pools.get(poolId)?.hand.left ?? 0;
  }

  /** The chance of a user who holds nothing yet; nobody has a better one. */
  get chance(): number {
    return this.chanceOfAny;
  }

  /** Takes blocks in hand; they count at once, without waiting for the tick. */
  add(blocks: readonly StockedBlock[], nowMs: number): void {
    const restocked = new Set<StockedPool>();
    for (const block of blocks) {
      const pool = this.pools.get(block.poolId);
      pool?.hand.add(block);
      if (pool !== undefined) restocked.add(pool);
    }
    for (const { chance } of restocked) chance.restocked(nowMs);
    this.tune(nowMs);
  }

  /** Forgets blocks that ended, tunes the chances to how many shake now, and deals the budgets of the next tick. */
  tune(nowMs: number): void {
    let sum = 0;
    for (const { hand, chance } of this.pools.values()) {
      hand.dropEnded(nowMs);
      chance.tune(nowMs, this.rate.perSecondWithout(hand.sponsorNo));
      sum += chance.chance;
    }
    this.chanceOfAny = Math.min(sum, 1);
  }

  /**
   * What a shake of this luck, uniform in [0, 1), wins: each pool whose sponsor the user does not hold (invariant 5) has its part of
   * the luck, as large as its chance. Undefined: nothing.
   */
  issue(luck: number, holdsSponsor: (sponsorNo: number) => boolean, nowMs: number): IssuedIndex | undefined {
    if (luck >= this.chanceOfAny) return undefined;
    const suiting = [...this.pools.values()].filter(({ hand }) => hand.left > 0 && !holdsSponsor(hand.sponsorNo));
    const sum = suiting.reduce((total, { chance }) => total + chance.chance, 0);
    // several pools may offer more than 1 together: then every luck wins, and each has its share of it
    let point = sum > 1 ? luck * sum : luck;
    for (const { hand, chance } of suiting) {
      point -= chance.chance;
      if (point >= 0) continue;
      const issued = hand.issue(nowMs);
      if (issued !== undefined) chance.spend();
      return issued;
    }
    return undefined;
  }

  private sumOf(of: (hand: PoolHand) => number): number {
    let sum = 0;
    for (const { hand } of this.pools.values()) sum += of(hand);
    return sum;
  }
}
