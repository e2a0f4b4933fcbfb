import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs, pollDelayMs } from './backoff.ts';
import { defaultLimits } from './limits.ts';

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const optionalMs = fc.option(fc.integer({ min: 0, max: 1_000_000 }), { nil: undefined });

describe('waiting before asking again', () => {
  it('never returns before the server said, and never later than the named limits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), optionalMs, unit, (attempt, retryAfterMs, random) => {
        const waitMs = backoffMs(defaultLimits, attempt, retryAfterMs, () => random);
        const askedMs = Math.min(retryAfterMs ?? 0, defaultLimits.retryAfterMaxMs);
        expect(waitMs).toBeGreaterThanOrEqual(askedMs);
        expect(waitMs).toBeLessThanOrEqual(askedMs + defaultLimits.backoffMaxMs);
      }),
    );
  });

  it('spreads the first repetition over the whole of its interval', () => {
    expect(backoffMs(defaultLimits, 1, undefined, () => 0)).toBe(0);
    expect(backoffMs(defaultLimits, 1, undefined, () => 0.999)).toBeCloseTo(499.5);
  });

  it('polls around the interval the server asked for and slows down to the limit', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.integer({ min: 0, max: 60_000 }),
        unit,
        (polls, askedMs, random) => {
          const waitMs = pollDelayMs(defaultLimits, polls, askedMs, () => random);
          const leastMs = Math.max(defaultLimits.pollMinMs, askedMs);
          expect(waitMs).toBeGreaterThanOrEqual(leastMs * 0.5);
          expect(waitMs).toBeLessThanOrEqual(Math.max(leastMs, defaultLimits.pollMaxMs) * 1.5);
        },
      ),
    );
    expect(pollDelayMs(defaultLimits, 1, 800, () => 0.5)).toBe(800);
    expect(pollDelayMs(defaultLimits, 1000, 800, () => 0.5)).toBe(defaultLimits.pollMaxMs);
  });
});
