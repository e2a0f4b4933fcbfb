import { type CrowdPeriod, crowdPeriodMs } from '../driver/plans.ts';

/** The load at which a gateway should settle, as shares of its capacity. */
export const settledBand = { lowest: 0.8, highest: 0.95 } as const;
/** Shares are judged over this many periods: one second. */
const windowPeriods = 1000 / crowdPeriodMs;
/** The load is judged over this many: what a single half second brings is chance. */
const smoothedPeriods = 2000 / crowdPeriodMs;
/** Intervals are back when clients are told to wait no longer than this times the event's own, jitter among it. */
const relaxedFactor = 1.6;

/** Answered shakes per second over the capacity, for each second that ends with a period, from the first whole second on. */
export function loadShares(periods: readonly Pick<CrowdPeriod, 'decided' | 'rests'>[], capacity: number): number[] {
  const perSecond = periods.map(({ decided, rests }) => ((decided + rests) * 1000) / crowdPeriodMs);
  return perSecond
    .slice(windowPeriods - 1)
    .map(
      (_, at) =>
        perSecond.slice(at, at + windowPeriods).reduce((sum, rate) => sum + rate / windowPeriods, 0) / capacity,
    );
}

/** Means of `values` over two seconds, for each that ends with a period, from the first two whole seconds on. */
export function smoothed(values: readonly number[]): number[] {
  return values
    .slice(smoothedPeriods - 1)
    .map((_, at) => values.slice(at, at + smoothedPeriods).reduce((sum, value) => sum + value / smoothedPeriods, 0));
}

/**
 * Milliseconds until the load (the share of its time that the event loop is busy, one figure per period) is in the band for good, over two
 * seconds each; undefined when it is not at the end.
 */
export function settledAfterMs(utilisation: readonly number[]): number | undefined {
  const shares = smoothed(utilisation);
  const lastOutside = shares.findLastIndex((share) => share < settledBand.lowest || share > settledBand.highest);
  if (lastOutside === shares.length - 1) return undefined;
  // from the beginning of the first window that stays
  return (lastOutside + 1) * crowdPeriodMs;
}

/** Milliseconds until clients are told about the event's own interval again; undefined when they are not. */
export function relaxedAfterMs(periods: readonly CrowdPeriod[], intervalMs: number): number | undefined {
  const at = periods.findIndex(({ meanWaitMs }) => meanWaitMs > 0 && meanWaitMs <= relaxedFactor * intervalMs);
  return at < 0 ? undefined : (at + 1) * crowdPeriodMs;
}
