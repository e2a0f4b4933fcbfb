import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aheadAt, type PoolRelease, releaseAhead, releasedAt, releasePerSecond } from './release-rate.ts';

const pool: PoolRelease = {
  releaseCurve: 'even',
  packetCount: 1000,
  blockSize: 8,
  startsAtMs: 10_000,
  durationMs: 100_000,
  stockLeadMs: 2000,
};
const at = (nowMs: number, excess?: number, issueEndsAtMs = 1_000_000) => ({
  nowMs,
  spanMs: 100,
  excess,
  issueEndsAtMs,
});

describe('what ought to lie ahead', () => {
  it('is the lead of the curve in whole blocks, nothing before it and nothing after the wave', () => {
    expect(aheadAt(pool, 7000, 0)).toBe(0);
    expect(aheadAt(pool, 10_000, 0)).toBe(24);
    expect(aheadAt(pool, 60_000, 0)).toBeCloseTo(520 - 500, 6);
    expect(aheadAt(pool, 60_000, 1000)).toBeCloseTo(512 - 500, 6);
    expect(aheadAt(pool, 110_000, 0)).toBe(0);
  });
});

describe('the rate of release', () => {
  it('is the slope of the curve when as much is available as ought to be, or when that is not known', () => {
    expect(releasePerSecond(pool, at(50_000, 0))).toBeCloseTo(10, 6);
    expect(releasePerSecond(pool, at(50_000))).toBeCloseTo(10, 6);
    expect(releasePerSecond(pool, at(5000, 24))).toBe(0);
  });

  it('catches up within seconds, and slows down by half at most', () => {
    expect(releasePerSecond(pool, at(50_000, 30))).toBeCloseTo(20, 6);
    expect(releasePerSecond(pool, at(50_000, -3))).toBeCloseTo(9, 6);
    expect(releasePerSecond(pool, at(50_000, -3000))).toBeCloseTo(5, 6);
  });

  it('takes a step of the curve in one span, whichever way time is cut into spans', () => {
    const stepped: PoolRelease = { ...pool, releaseCurve: [[0, 0], [0.5, 0], [0.5, 1], [1, 1]] }; // biome-ignore format: points
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99 }), (offsetMs) => {
        let issued = 0;
        for (let nowMs = 59_000 + offsetMs; nowMs < 61_000; nowMs += 100)
          issued += releasePerSecond(stepped, at(nowMs)) / 10;
        expect(issued).toBeCloseTo(1000, 6);
      }),
    );
  });

  it('finishes before nothing may be issued any more, and does not end in ever smaller steps', () => {
    // two seconds before the end: 20 lie ahead, and 5 too many
    expect(releasePerSecond(pool, at(108_000, 5, 110_000))).toBeCloseTo(25 / 1.7, 6);
    expect(releasePerSecond(pool, at(109_999, 5, 110_000))).toBeCloseTo(5 / 0.3, 0);
    expect(releasePerSecond(pool, at(120_000, 1))).toBe(1);
    expect(releasePerSecond(pool, at(120_000, 0))).toBe(0);
  });
});

describe('what to have in hand', () => {
  it('is what the curve releases in that time, and what is caught up', () => {
    expect(releaseAhead(pool, { ...at(50_000, 0), spanMs: 1000 })).toBeCloseTo(10, 6);
    expect(releaseAhead(pool, { ...at(9500), spanMs: 1000 })).toBeCloseTo(5, 6);
    const caughtUp = releaseAhead(pool, { ...at(50_000, 300), spanMs: 1000 });
    expect(caughtUp).toBeGreaterThan(90);
    expect(caughtUp).toBeLessThan(111);
    expect(releasedAt(pool, 60_000)).toBe(500);
  });
});
