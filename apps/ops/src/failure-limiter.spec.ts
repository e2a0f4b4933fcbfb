// Guessing is slowed per source, is forgiven with time, costs one who repeats himself once, and takes bounded memory.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FailureLimiter, latestMax } from './failure-limiter.ts';

const create = (sourcesMax = 100, failuresMax = 3) => {
  const clock = { nowMs: 0 };
  const limiter = new FailureLimiter({ failuresMax, forgetMs: 1000, sourcesMax, monotonicMs: () => clock.nowMs });
  let tried = 0;
  const failTimes = (source: string, times: number) => {
    for (let i = 0; i < times; i++) limiter.fail(source, tried++);
  };
  return { clock, limiter, failTimes };
};

describe('failure limiter', () => {
  it('lets a source fail a few times, then tells how long to wait', () => {
    const { limiter, failTimes } = create();
    failTimes('a', 2);
    expect(limiter.waitMs('a')).toBe(0);
    failTimes('a', 1);
    expect(limiter.waitMs('a')).toBe(1000);
  });

  it('lets it try again after the wait', () => {
    const { clock, limiter, failTimes } = create();
    failTimes('a', 3);
    clock.nowMs = 999;
    expect(limiter.waitMs('a')).toBeGreaterThan(0);
    clock.nowMs = 1000;
    expect(limiter.waitMs('a')).toBe(0);
  });

  it('does not punish others', () => {
    const { limiter, failTimes } = create();
    failTimes('a', 10);
    expect(limiter.waitMs('b')).toBe(0);
  });

  it('counts the same failure once, however often it comes and whatever comes in between', () => {
    const { limiter, failTimes } = create();
    for (let i = 0; i < 1000; i++) limiter.fail('a', -1);
    failTimes('a', 1);
    for (let i = 0; i < 1000; i++) limiter.fail('a', -1);
    expect(limiter.waitMs('a')).toBe(0);
    failTimes('a', 1);
    expect(limiter.waitMs('a')).toBe(1000);
  });

  it('counts the same failure of two sources for each', () => {
    const { limiter, failTimes } = create();
    for (const source of ['a', 'b']) {
      failTimes(source, 2);
      limiter.fail(source, -1);
    }
    expect([limiter.waitMs('a'), limiter.waitMs('b')]).toEqual([1000, 1000]);
  });

  it('remembers no more sources than it may, the latest ones', () => {
    const { limiter, failTimes } = create(2);
    for (const source of ['a', 'b', 'c']) failTimes(source, 3);
    expect(['a', 'b', 'c'].map((source) => limiter.waitMs(source) > 0)).toEqual([false, true, true]);
    failTimes('d', 1000);
    expect(limiter.size).toBe(2);
  });

  it('remembers no more failures of a source than it may, the latest ones', () => {
    const { clock, limiter, failTimes } = create(100, 1);
    limiter.fail('a', -1);
    failTimes('a', latestMax - 1);
    clock.nowMs = latestMax * 1000;
    limiter.fail('a', -1);
    expect(limiter.waitMs('a')).toBe(0);
    failTimes('a', latestMax);
    clock.nowMs *= 3;
    limiter.fail('a', -1);
    expect(limiter.waitMs('a')).toBe(1000);
  });

  it('lets nobody try more often than the limit and the leak allow', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 100 }), (pausesMs) => {
        const { clock, limiter, failTimes } = create();
        let tries = 0;
        for (const pauseMs of pausesMs) {
          clock.nowMs += pauseMs;
          if (limiter.waitMs('a') > 0) continue;
          tries += 1;
          failTimes('a', 1);
        }
        expect(tries).toBeLessThanOrEqual(3 + clock.nowMs / 1000);
      }),
    );
  });
});
