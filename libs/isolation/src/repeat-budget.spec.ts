import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RepeatBudget } from './repeat-budget.ts';

// When every call fails, repetitions are a tenth of the calls and what was in hand, whatever the order.
it('bounds repetitions by a share of the calls', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 2000 }), (isCall) => {
      const budget = new RepeatBudget({ budgetMax: 5, ratio: 0.1 });
      let calls = 0;
      let repeats = 0;
      for (const next of isCall) {
        if (next) {
          calls += 1;
          budget.earn();
        } else if (budget.take()) repeats += 1;
      }
      expect(repeats).toBeLessThanOrEqual(5 + calls * 0.1 + 1e-6);
    }),
  );
});

it('earns what it has spent, up to its limit', () => {
  const budget = new RepeatBudget({ budgetMax: 2, ratio: 0.5 });
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false]);
  for (let i = 0; i < 100; i++) budget.earn();
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false]);
});
