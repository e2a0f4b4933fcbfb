import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blocksDue, issueEndMs, issueUntilMs, mayRestock } from './stock-plan.ts';

const event = { endsAtMs: 100_000, blockLifeMs: 10_000, reissue: 'event' as const };
const wave = { startsAtMs: 20_000, durationMs: 30_000 };
const pool = { packetCount: 300, blockSize: 8, blockCount: 38, releaseCurve: 'even' as const };

describe('blocksDue', () => {
  it('stocks nothing before the lead, along the curve in the wave, and all of it before the wave ends', () => {
    expect(blocksDue(wave, pool, 17_999, 2000)).toBe(0);
    expect(blocksDue(wave, pool, 18_000, 2000)).toBe(0);
    expect(blocksDue(wave, pool, 18_100, 2000)).toBe(1);
    expect(blocksDue(wave, pool, 33_000, 2000)).toBe(Math.ceil(150 / 8));
    expect(blocksDue(wave, pool, 48_000, 2000)).toBe(38);
    expect(blocksDue(wave, pool, 99_000, 2000)).toBe(38);
  });

  it('never asks for less than before nor for more than the curve has released ahead, but for the last block begun', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 5000 }), (nowMs, stepMs) => {
        const due = blocksDue(wave, pool, nowMs, 2000);
        expect(blocksDue(wave, pool, nowMs + stepMs, 2000)).toBeGreaterThanOrEqual(due);
        const released = Math.min(Math.max((nowMs + 2000 - 20_000) / 30_000, 0), 1) * 300;
        expect(due * 8).toBeLessThan(released + 8);
      }),
    );
  });
});

describe('issueUntilMs', () => {
  it('gives a block its life, from the start of the wave when it is stocked ahead of it', () => {
    expect(issueUntilMs(event, wave, 25_000)).toBe(35_000);
    expect(issueUntilMs(event, wave, 18_000)).toBe(30_000);
    expect(issueUntilMs({ ...event, blockLifeMs: 500 }, wave, 18_000)).toBe(20_500);
  });

  it('ends with the event, or with the wave when the pool is for its wave only', () => {
    expect(issueUntilMs(event, wave, 95_000)).toBe(100_000);
    expect(issueUntilMs(event, wave, 99_999)).toBe(100_000);
    expect(issueUntilMs(event, wave, 100_000)).toBeUndefined();
    expect(issueEndMs({ ...event, reissue: 'wave' }, wave)).toBe(50_000);
    expect(issueUntilMs({ ...event, reissue: 'wave' }, wave, 45_000)).toBe(50_000);
    expect(issueUntilMs({ ...event, reissue: 'wave' }, wave, 50_000)).toBeUndefined();
    expect(issueUntilMs({ ...event, reissue: 'never' }, wave, 60_000)).toBe(70_000);
  });
});

describe('mayRestock', () => {
  it('follows the reissue rule to the last instant', () => {
    expect(mayRestock(event, wave, 99_999)).toBe(true);
    expect(mayRestock(event, wave, 100_000)).toBe(false);
    expect(mayRestock({ ...event, reissue: 'wave' }, wave, 49_999)).toBe(true);
    expect(mayRestock({ ...event, reissue: 'wave' }, wave, 50_000)).toBe(false);
    expect(mayRestock({ ...event, reissue: 'never' }, wave, 25_000)).toBe(false);
  });
});
