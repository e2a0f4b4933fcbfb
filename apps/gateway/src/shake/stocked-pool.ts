import type { StockedBlock } from '#libs/contracts';
import { type PoolRelease, releaseAhead, releasedAt, releasePerSecond, type UserHash } from '#libs/domain';
import type { PoolSnapshot } from '../events/gateway-event.ts';
import { PoolChance } from './pool-chance.ts';
import { PoolFigures } from './pool-figures.ts';
import { type IssuedIndex, PoolHand } from './pool-hand.ts';
import { type ShakeRate, tickMs } from './shake-rate.ts';
import { WaitingWinners } from './waiting-winners.ts';

/** Stock is wanted for what is likely to be won here in this long: it bridges to the visit after the next. */
const wantedAheadMs = 1000;
/** So much of it must be there until the next visit; else there is a visit sooner. */
const runningOutShare = 0.4;
/** Added to what is likely: this many standard deviations of a Poisson count. */
const wantedSpareDeviations = 1.5;
/** A gateway that is likely to need less than one index ahead takes one only of a list with so many per gateway, and if this likely. */
const listedPerGatewayMin = 4;
const needMin = 0.1;
/** Most indexes in hand of one pool, and most blocks in one visit. */
const indexesInHandMax = 16_384;
const blocksPerVisitMax = 64;
/**
 * So many times more shakes in the latest ticks than the totals saw, and beyond what these deviations (and a few) allow, are a burst. What
 * grows less is left to the totals: gateways that judged it by themselves would differ in when they see it, and so in their chance.
 */
const burstGrowthMin = 2;
const burstDeviations = 5;
const burstSpare = 5;
/** Own growth says how much all grew when it is measured against so many own shakes. */
const growthShakesMin = 30;
/** Nothing is issued until all gateways' demand is known; so long, then this gateway judges by its own (the store is away). */
const unknownMaxMs = 2000;
/** What nothing more comes after is issued within about this; what ends soon, a little before it does. */
const drainMs = 1000;
const endingSoonMs = 2000;
const endingMarginMs = 200;

export interface PoolNeed {
  readonly indexesMax: number;
  readonly blocksMax: number;
}

/** What a look at the pool is made from, each tick. */
export interface PoolMoment {
  readonly nowMs: number;
  readonly rate: ShakeRate;
  /** Gateways that shake, as far as known; at least 1. */
  readonly gateways: number;
  readonly eventEndsAtMs: number;
}

/** One pool as this process issues it: what is in hand, the chance, and what all gateways know of it. */
export class StockedPool {
  readonly hand: PoolHand;
  readonly waiting = new WaitingWinners();
  readonly figures = new PoolFigures();
  private readonly common = new PoolChance();
  private localChance = 0;
  private need = 0;
  private unknownSinceMs: number | undefined;
  private endsWithWave = false;

  constructor(
    pool: PoolSnapshot,
    private release: PoolRelease,
  ) {
    this.hand = new PoolHand(pool.poolId, pool.sponsorNo);
  }

  get poolId(): number {
    return this.hand.poolId;
  }

  get sponsorNo(): number {
    return this.hand.sponsorNo;
  }

  /** Of a shake here and now. */
  get chance(): number {
    return this.localChance;
  }

  /** Takes the release of a newer snapshot. */
  update(release: PoolRelease): void {
    this.release = release;
  }

  add(block: StockedBlock): void {
    this.hand.add(block);
    // blocks of a pool that is for its wave alone say so by ending with it
    this.endsWithWave ||= block.issueUntilMs === this.waveEndsAtMs;
  }

  /** True when nothing will be issued until stock comes back. */
  isDormant(nowMs: number): boolean {
    if (nowMs < this.waveEndsAtMs || this.hand.left > 0 || this.waiting.size > 0) return false;
    return this.figures.available(nowMs) === 0 && this.figures.listed === 0;
  }

  /** Forgets what ended, and looks anew at release, demand and need. */
  tune(moment: PoolMoment): void {
    const { nowMs, rate } = moment;
    this.hand.dropEnded(nowMs);
    this.waiting.dropLapsed(nowMs);
    const at = {
      nowMs,
      spanMs: tickMs,
      excess: this.figures.excess(this.release, nowMs),
      issueEndsAtMs: this.issueEndsAtMs(moment),
    };
    const own = Math.max(this.figures.demand(nowMs)?.ownPerSecond ?? 0, rate.perSecondWithout(this.sponsorNo));
    const demand = this.demand(moment, own);
    this.common.tune({ release: releasePerSecond(this.release, at), demand, own });
    this.localChance = Math.max(this.common.value, this.drainChance(moment, own));
    const ahead = releaseAhead(this.release, { ...at, spanMs: wantedAheadMs });
    // nothing while the demand is not known: what a small gateway took for a large one's would lie there for long
    this.need = Math.min((ahead * own) / Math.max(demand, own, 1e-9), (own * wantedAheadMs) / 1000);
  }

  /** Allows what a tick may issue. */
  deal(): void {
    this.common.deal();
  }

  /** What to take now, undefined: nothing. */
  wanted(nowMs: number, gateways: number): PoolNeed | undefined {
    const missing = Math.min(this.target(nowMs, gateways), indexesInHandMax) - this.hand.left;
    if (missing <= 0) return undefined;
    return { indexesMax: missing, blocksMax: Math.min(missing, blocksPerVisitMax) };
  }

  /** True when what is in hand may not last until the next visit, and there is more. */
  isRunningOut(): boolean {
    if (this.figures.listed === 0) return false;
    if (this.waiting.size > this.hand.left) return true;
    return this.need >= 1 && this.localChance > 0 && this.hand.left < this.need * runningOutShare;
  }

  /** Gives the next index to a user whose luck won it; with none to give, keeps the next one that comes for the user. */
  issue(nowMs: number, user: UserHash | undefined): IssuedIndex | undefined {
    if (this.localChance === this.common.value && !this.common.spend()) return undefined;
    if (this.hand.left > this.waiting.size) return this.hand.issue(nowMs);
    const isThereMore = this.figures.listed > 0 || (this.figures.available(nowMs) ?? 0) > this.hand.left;
    if (user !== undefined && isThereMore) this.waiting.add(user, nowMs);
    return undefined;
  }

  /** Gives a waiting winner the index that was kept. */
  redeem(nowMs: number, user: UserHash): IssuedIndex | undefined {
    const issued = this.hand.left > 0 && this.waiting.has(user) ? this.hand.issue(nowMs) : undefined;
    if (issued !== undefined) this.waiting.delete(user);
    return issued;
  }

  private get waveEndsAtMs(): number {
    return this.release.startsAtMs + this.release.durationMs;
  }

  private issueEndsAtMs({ eventEndsAtMs }: PoolMoment): number {
    return this.endsWithWave ? Math.min(this.waveEndsAtMs, eventEndsAtMs) : eventEndsAtMs;
  }

  /** Shakes per second over all gateways of users who may win here; Infinity while that is not known. */
  private demand({ nowMs, rate, gateways }: PoolMoment, own: number): number {
    const known = this.figures.demand(nowMs);
    const growth = known === undefined ? undefined : this.growth(rate, known.ownPerSecond);
    const isTrusted = growth === 1 || (known !== undefined && known.ownShakes >= growthShakesMin);
    if (growth !== undefined && isTrusted) {
      this.unknownSinceMs = undefined;
      return growth === 1 ? known!.trendPerSecond : Math.max(known!.perSecond * growth, known!.trendPerSecond);
    }
    if (rate.isShaken) this.unknownSinceMs ??= nowMs;
    const isAlone = known !== undefined && gateways === 1;
    const isPatient = nowMs - (this.unknownSinceMs ?? nowMs) < unknownMaxMs;
    return isPatient && !isAlone ? Number.POSITIVE_INFINITY : Math.max(known?.perSecond ?? 0, own * gateways);
  }

  /** How many times more shakes come here than the totals' window saw: 1 unless it is beyond chance. */
  private growth(rate: ShakeRate, ownPerSecond: number): number {
    const mayWin = rate.perSecond === 0 ? 1 : rate.perSecondWithout(this.sponsorNo) / rate.perSecond;
    let growth = 1;
    for (const ticks of [1, 3]) {
      const { shakes, elapsedMs } = rate.latest(ticks);
      const expected = (ownPerSecond * elapsedMs) / 1000;
      const seen = shakes * mayWin;
      const isBurst =
        seen > Math.max(expected * burstGrowthMin, expected + burstDeviations * Math.sqrt(expected) + burstSpare);
      if (isBurst) growth = Math.max(growth, expected > 0 ? seen / expected : Number.POSITIVE_INFINITY);
    }
    return growth;
  }

  /** What lies here and would be in nobody's reach otherwise goes out here: the last of a pool, and of a block about to end. */
  private drainChance({ nowMs }: PoolMoment, own: number): number {
    const free = this.hand.left - this.waiting.size;
    if (free <= 0 || !this.figures.isFresh(nowMs) || nowMs < this.release.startsAtMs) return 0;
    const isLast = this.figures.listed === 0 && this.isAllStocked(nowMs);
    const lastPerSecond = isLast ? (free * 1000) / drainMs : 0;
    const ending = this.hand.endingBefore(nowMs + endingSoonMs);
    const endsInMs = (this.hand.endsAtMs ?? nowMs) - nowMs - endingMarginMs;
    const endingPerSecond = (ending * 1000) / Math.max(endsInMs, tickMs);
    return Math.min(Math.max(lastPerSecond, endingPerSecond) / Math.max(own, 1), 1);
  }

  private isAllStocked(nowMs: number): boolean {
    const { packetCount, stockLeadMs } = this.release;
    return releasedAt(this.release, nowMs + stockLeadMs) >= packetCount;
  }

  private target(nowMs: number, gateways: number): number {
    const likely = Math.ceil(this.need + wantedSpareDeviations * Math.sqrt(this.need));
    if (this.need >= 1) return likely + this.waiting.size;
    const isRich = this.figures.listed >= listedPerGatewayMin * gateways && this.need >= needMin;
    const isMine = gateways === 1 && nowMs >= this.release.startsAtMs && this.need > 0;
    return this.waiting.size + (isRich || isMine ? 1 : 0);
  }
}
