import { aheadAt, type PoolRelease } from '#libs/domain';
import { tallyPeriodMs } from '#libs/redis';

/** Demand is averaged over as few of the latest periods as hold so many shakes: fresh when many shake, steady when few do. */
const shakesEnough = 400;
const windowPeriodsMax = 20;
/** A trend is seen over so many periods, and used this long after the middle of the last of them. */
const trendPeriods = 8;
const trendAheadPeriods = 2.5;
/** Counts further from the line, in standard deviations of a Poisson count, are a burst and no trend. */
const trendDeviations = 4;
/** After so many periods without a shake there is known to be (nearly) no demand; sooner it is not known. */
const quietPeriodsMin = 4;
const quietShakes = 0.5;
/** Totals older than this say nothing any more: the store is away. */
const freshForMs = 3000;
/** Reports that may still be waiting for their totals. */
const reportsMax = 8;
/** Gateways make their visits around this time after the end of the period that they tally. */
const visitDelayMs = 250;
/** The stocker ticks each 250 ms and then commits and pushes: a block is on its list this long after it is due. */
const stockDelayMs = 200;

/** Sums over all gateways of one tally period: distinct shakes of users who may win here, indexes in hand, indexes on the list. */
export interface PoolTotals {
  readonly period: number;
  readonly shakes: number;
  readonly left: number;
  readonly listed: number;
}

/** Shakes of all gateways, and of this one among them, per second. */
export interface Demand {
  /** As counted. */
  readonly perSecond: number;
  /** As it will be by now, if it goes on as it went. */
  readonly trendPerSecond: number;
  readonly ownPerSecond: number;
  /** Shakes of this gateway that the figure rests on. */
  readonly ownShakes: number;
}

/**
 * What all gateways together know of one pool. They all read the same totals, so that all of them compute the same chance; totals
 * of a period in which this gateway gave no figures are not used, for they lack its own shakes.
 */
export class PoolFigures {
  private readonly reports: { readonly period: number; readonly shakes: number }[] = [];
  private readonly seen: { readonly period: number; readonly shakes: number; readonly own: number }[] = [];
  private latest: PoolTotals | undefined;
  private current: Demand | undefined;
  /** On the list when this gateway looked last. */
  listed = 0;

  /** This gateway gave its figures of a period. */
  report(period: number, shakes: number): void {
    this.reports.push({ period, shakes });
    if (this.reports.length > reportsMax) this.reports.shift();
  }

  /** Takes the totals of a period, once. */
  take(totals: PoolTotals): void {
    const { period } = totals;
    const report = this.reports.find((one) => one.period === period);
    if (report === undefined || period <= (this.latest?.period ?? -1)) return;
    this.latest = totals;
    this.seen.push({ period, shakes: totals.shakes, own: report.shakes });
    while (this.seen[0]!.period <= period - windowPeriodsMax) this.seen.shift();
    this.current = this.demandNow();
  }

  isFresh(nowMs: number): boolean {
    return this.latest !== undefined && nowMs - (this.latest.period + 1) * tallyPeriodMs < freshForMs;
  }

  /** Undefined: not known, because nothing is fresh or because shaking has only just begun. */
  demand(nowMs: number): Demand | undefined {
    return this.isFresh(nowMs) ? this.current : undefined;
  }

  /** Indexes on the list and in all hands, of which this gateway may not know yet that they are gone; undefined: not known. */
  available(nowMs: number): number | undefined {
    return this.isFresh(nowMs) ? this.latest!.left + this.latest!.listed : undefined;
  }

  /** Packets available above what ought to lie ahead, when that was counted; undefined: not known. */
  excess(release: PoolRelease, nowMs: number): number | undefined {
    const available = this.available(nowMs);
    if (available === undefined) return undefined;
    const countedAtMs = (this.latest!.period + 1) * tallyPeriodMs + visitDelayMs;
    return available - aheadAt(release, countedAtMs, stockDelayMs);
  }

  private demandNow(): Demand | undefined {
    let [shakes, own, periods] = [0, 0, 0];
    for (let at = this.seen.length - 1; at >= 0 && shakes < shakesEnough; at--) {
      shakes += this.seen[at]!.shakes;
      own += this.seen[at]!.own;
      periods += 1;
    }
    if (shakes === 0 && periods < quietPeriodsMin) return undefined;
    const perPeriod = Math.max(shakes, quietShakes) / periods;
    const trend = periods === 1 ? trendOf(this.seen) : undefined;
    return {
      perSecond: (perPeriod * 1000) / tallyPeriodMs,
      trendPerSecond: ((trend ?? perPeriod) * 1000) / tallyPeriodMs,
      ownPerSecond: (own * 1000) / (periods * tallyPeriodMs),
      ownShakes: own,
    };
  }
}

/**
 * What a straight line through the latest periods says of the time in which it is used; undefined when they lie on no line. With
 * eight points such a forecast has no more noise than the latest count alone, and does not lag behind a load that grows or winners
 * who leave.
 */
function trendOf(seen: readonly { readonly shakes: number }[]): number | undefined {
  const points = seen.slice(-trendPeriods).map(({ shakes }) => shakes);
  if (points.length < trendPeriods) return undefined;
  const mean = points.reduce((sum, shakes) => sum + shakes, 0) / trendPeriods;
  const middle = (trendPeriods - 1) / 2;
  let [along, squares] = [0, 0];
  points.forEach((shakes, at) => {
    along += (at - middle) * shakes;
    squares += (at - middle) ** 2;
  });
  const lineAt = (at: number): number => mean + (along / squares) * (at - middle);
  const isLine = points.every((shakes, at) => Math.abs(shakes - lineAt(at)) < trendDeviations * Math.sqrt(mean));
  const latest = points[trendPeriods - 1]!;
  return isLine ? Math.max(lineAt(trendPeriods - 1 + trendAheadPeriods), latest / 2) : undefined;
}
