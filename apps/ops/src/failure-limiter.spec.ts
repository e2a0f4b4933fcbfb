// Guessing is slowed per address, is forgiven with time, and takes bounded memory.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FailureLimiter } from './failure-limiter.ts';

const create = (addressesMax = 100) => {
  const clock = { nowMs: 0 };
  const limiter = new FailureLimiter({ failuresMax: 3, forgetMs: 1000, addressesMax, monotonicMs: () => clock.nowMs });
  const failTimes = (address: string, times: number) => {
    for (let i = 0; i < times; i++) limiter.fail(address);
  };
  return { clock, limiter, failTimes };
};

describe('failure limiter', () => {
  it('lets an address fail a few times, then tells how long to wait', () => {
    const { limiter, failTimes } = create();
    failTimes('192.0.2.1', 2);
    expect(limiter.waitMs('192.0.2.1')).toBe(0);
    failTimes('192.0.2.1', 1);
    expect(limiter.waitMs('192.0.2.1')).toBe(1000);
  });

  it('lets it try again after the wait', () => {
    const { clock, limiter, failTimes } = create();
    failTimes('192.0.2.1', 3);
    clock.nowMs = 999;
    expect(limiter.waitMs('192.0.2.1')).toBeGreaterThan(0);
    clock.nowMs = 1000;
    expect(limiter.waitMs('192.0.2.1')).toBe(0);
  });

  it('does not punish others', () => {
    const { limiter, failTimes } = create();
    failTimes('192.0.2.1', 10);
    expect(limiter.waitMs('192.0.2.2')).toBe(0);
  });

  it.each([
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2'],
    ['2001:db8::1', '2001:db8::ffff:2'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('takes %s and %s for one', (first, second) => {
    const { limiter, failTimes } = create();
    failTimes(first, 3);
    expect(limiter.waitMs(second)).toBeGreaterThan(0);
  });

  it('takes neighbouring networks for two', () => {
    const { limiter, failTimes } = create();
    failTimes('2001:db8:0:1::1', 3);
    expect(limiter.waitMs('2001:db8:0:2::1')).toBe(0);
  });

  it('remembers no more addresses than it may, the latest ones', () => {
    const { limiter, failTimes } = create(2);
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) failTimes(address, 3);
    const waits = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => limiter.waitMs(address) > 0);
    expect(waits).toEqual([false, true, true]);
  });

  it('lets nobody try more often than the limit and the leak allow', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 100 }), (pausesMs) => {
        const { clock, limiter } = create();
        let tries = 0;
        for (const pauseMs of pausesMs) {
          clock.nowMs += pauseMs;
          if (limiter.waitMs('192.0.2.1') > 0) continue;
          tries += 1;
          limiter.fail('192.0.2.1');
        }
        expect(tries).toBeLessThanOrEqual(3 + clock.nowMs / 1000);
      }),
    );
  });
});
