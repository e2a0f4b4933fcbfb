import { describe, expect, it } from 'vitest';
import { type CrowdOptions, PacedCrowd } from '../testing/paced-crowd.ts';

// Seeded and in virtual time: the figures come out the same on every run. Real draw, turns and pace; see testing/paced-crowd.ts.

/** Shakes per second that the gateway of these tests can answer; phones shake once a second unless they are told otherwise. */
const capacityPerSecond = 1000;
/** What a gateway that has to pace should settle in. */
const [low, high] = [0.8, 0.95];

const crowdOf = (options: Partial<CrowdOptions> = {}): Promise<PacedCrowd> =>
  PacedCrowd.of({ seed: 1, staggerMs: 1000, capacityPerSecond, ...options });

/** Seconds after `fromSecond` from which every second's utilisation is within the band, up to `toSecond`. */
function settledAfter(crowd: PacedCrowd, fromSecond: number, toSecond: number): number {
  let second = toSecond;
  while (second > fromSecond) {
    const { utilisation } = crowd.seconds[second - 1]!;
    if (utilisation < low || utilisation > high) break;
    second -= 1;
  }
  return second - fromSecond;
}

/** Variance over mean of the arrivals in bins of 100 ms: 1 for a random stream, less for an even one, more for waves. */
function dispersionOf(bins: readonly number[]): number {
  const mean = bins.reduce((sum, count) => sum + count, 0) / bins.length;
  return bins.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (bins.length - 1) / mean;
}

function autocorrelationOf(bins: readonly number[], lag: number): number {
  const mean = bins.reduce((sum, count) => sum + count, 0) / bins.length;
  const variance = bins.reduce((sum, count) => sum + (count - mean) ** 2, 0);
  return bins.slice(lag).reduce((sum, count, i) => sum + (count - mean) * (bins[i]! - mean), 0) / variance;
}

describe('a crowd of three times the capacity', () => {
  it.each([0, 1000, 2000, 3000, 5000, 10_000])(
    'that comes within a stagger of %i ms settles within 5 s between 0.8 and 0.95 of it, and stays there',
    async (staggerMs) => {
      for (const seed of [1, 2]) {
        const crowd = await crowdOf({ staggerMs, seed });
        crowd.add({ phones: 3 * capacityPerSecond });
        crowd.runTo(60);
        expect(settledAfter(crowd, staggerMs / 1000, 60)).toBeLessThanOrEqual(5);
      }
    },
  );

  it('makes nobody wait longer than ten seconds for a turn, not even while it comes', async () => {
    for (const staggerMs of [0, 3000]) {
      const crowd = await crowdOf({ staggerMs });
      crowd.add({ phones: 3 * capacityPerSecond });
      crowd.runTo(40);
      expect(crowd.longestToldMs).toBeLessThanOrEqual(10_000);
      expect(crowd.longestTurnMs).toBeLessThanOrEqual(10_000);
      // three seconds' work came at once: it is done in three seconds, not in ten
      expect(crowd.longestQueueMs).toBeLessThan(3100);
    }
  });

  it.each([0, 1000])('does not come in waves, although all began within %i ms', async (staggerMs) => {
    const crowd = await crowdOf({ staggerMs });
    crowd.add({ phones: 3 * capacityPerSecond });
    crowd.runTo(60);
    const bins = crowd.arrivals.slice(200, 600);
    // over 40 s of bins of 100 ms: as even as a random stream (99.9 % of those stay below 1.23 with 399 degrees of freedom) ...
    expect(dispersionOf(bins)).toBeLessThan(1.23);
    // ... and without a beat of the interval or of the gaps between turns (four standard deviations of a random stream)
    for (let lag = 5; lag <= 80; lag++) expect(autocorrelationOf(bins, lag)).toBeLessThan(4 / Math.sqrt(bins.length));
  });

  it('gets its intervals back within 10 s when two thirds of it leave', async () => {
    const crowd = await crowdOf({ staggerMs: 3000 });
    crowd.add({ phones: 0.7 * capacityPerSecond });
    crowd.add({ phones: 2.3 * capacityPerSecond, untilMs: 30_000 });
    crowd.runTo(30);
    expect(crowd.controller.stretch).toBeGreaterThan(3);
    crowd.runTo(60);
    expect(crowd.seconds.slice(40).every(({ stretch }) => stretch === 1)).toBe(true);
    // once a second each again
    const settled = crowd.seconds.slice(45);
    const mean = settled.reduce((sum, { utilisation }) => sum + utilisation, 0) / settled.length;
    expect(mean).toBeGreaterThan(0.65);
    expect(mean).toBeLessThan(0.75);
  });
});

describe('a crowd that changes', () => {
  it.each([500, 3000])('from 0.3 to 3 times the capacity within %i ms settles within 5 s', async (spreadMs) => {
    const crowd = await crowdOf();
    crowd.add({ phones: 0.3 * capacityPerSecond });
    crowd.add({ phones: 2.7 * capacityPerSecond, fromMs: 20_000, spreadMs });
    crowd.runTo(20);
    expect(crowd.seconds.every(({ stretch }) => stretch === 1)).toBe(true);
    crowd.runTo(60);
    expect(settledAfter(crowd, 20 + Math.ceil(spreadMs / 1000), 60)).toBeLessThanOrEqual(5);
    expect(crowd.longestTurnMs).toBeLessThanOrEqual(10_000);
  });

  it('below the capacity is left alone', async () => {
    const crowd = await crowdOf();
    crowd.add({ phones: 0.8 * capacityPerSecond });
    crowd.runTo(30);
    expect(crowd.seconds.slice(1).every(({ stretch }) => stretch === 1)).toBe(true);
    const told = crowd.longestToldMs;
    expect(told).toBeLessThanOrEqual(1700);
  });

  it('of phones who do not obey: the others make room for them, and the gateway is not overrun', async () => {
    const crowd = await crowdOf({ staggerMs: 3000 });
    crowd.add({ phones: 3 * capacityPerSecond });
    // 40 phones five times a second: 20 % of the capacity
    crowd.add({ phones: 0.04 * capacityPerSecond, hastyMs: 200 });
    // 60 phones once a second, whatever they are told
    crowd.add({ phones: 0.06 * capacityPerSecond, hastyMs: 1000 });
    crowd.runTo(60);
    expect(settledAfter(crowd, 3, 60)).toBeLessThanOrEqual(10);
    expect(crowd.longestTurnMs).toBeLessThanOrEqual(10_000);
    expect(crowd.controller.isOverloaded).toBe(false);
  });

  it('beyond what intervals of ten seconds can hold is told: pacing alone does not help', async () => {
    const crowd = await crowdOf({ staggerMs: 5000 });
    crowd.add({ phones: 8 * capacityPerSecond });
    crowd.runTo(30);
    expect(crowd.controller.isOverloaded).toBe(true);
    expect(crowd.longestToldMs).toBeLessThanOrEqual(10_000);
  });
});
