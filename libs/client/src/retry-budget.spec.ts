import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

const options = { budgetMax: 10, ratio: 0.2, dripMs: 10_000 };

describe('the retry budget', () => {
  it('never lets repetitions exceed the burst, a fifth of the requests and the drip', () => {
    const step = fc.record({ isFirst: fc.boolean(), afterMs: fc.integer({ min: 0, max: 500 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const budget = new RetryBudget(options, 0);
        let nowMs = 0;
        let firsts = 0;
        let repetitions = 0;
        for (const { isFirst, afterMs } of steps) {
          nowMs += afterMs;
          if (isFirst) {
            budget.earn();
            firsts += 1;
          } else if (budget.take(nowMs) === 0) repetitions += 1;
        }
        const allowed = options.budgetMax + options.ratio * firsts + nowMs / options.dripMs;
        expect(repetitions).toBeLessThanOrEqual(allowed + 1e-6);
      }),
    );
  });

  it('says how long until the next repetition, and keeps its word', () => {
    const budget = new RetryBudget({ ...options, budgetMax: 1 }, 0);
    expect(budget.take(0)).toBe(0);
    const waitMs = budget.take(2_500);
    expect(waitMs).toBe(7_500);
    expect(budget.take(2_500 + waitMs)).toBe(0);
  });

  it('does not run backwards with a clock that does', () => {
    const budget = new RetryBudget({ ...options, budgetMax: 1 }, 5_000);
    expect(budget.take(5_000)).toBe(0);
    expect(budget.take(1_000)).toBe(10_000);
  });
});
