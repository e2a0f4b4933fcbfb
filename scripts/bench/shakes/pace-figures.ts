import { type CrowdPeriod, crowdPeriodMs } from '../driver/plans.ts';

/** The load at which a gateway should settle, as shares of its capacity. */
export const settledBand = { lowest: 0.8, highest: 0.95 } as const;
/** Shares are judged over this many periods: one second. */
const windowPeriods = 1000 / crowdPeriodMs;
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

/** Milliseconds until the share is in the band for good; undefined when it is not at the end. */
export function settledAfterMs(shares: readonly number[]): number | undefined {
  const lastOutside = shares.findLastIndex((share) => share < settledBand.lowest || share > settledBand.highest);
  if (lastOutside === shares.length - 1) return undefined;
  return (lastOutside + 1 + windowPeriods) * crowdPeriodMs;
}

/** Milliseconds until clients are told about the event's own interval again; undefined when they are not. */
export function relaxedAfterMs(periods: readonly CrowdPeriod[], intervalMs: number): number | undefined {
  const at = periods.findIndex(({ meanWaitMs }) => meanWaitMs > 0 && meanWaitMs <= relaxedFactor * intervalMs);
  return at < 0 ? undefined : (at + 1) * crowdPeriodMs;
}
