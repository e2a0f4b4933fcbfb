import { expect, test } from 'vitest';
import { randomOf } from '../../rehearse/random.ts';
import { Arrivals } from './arrivals.ts';

test('requests are due at the rate, at random and without memory, whatever is asked in between', () => {
  const perSecond = 1000;
  const arrivals = new Arrivals(500, perSecond, randomOf(7, 'arrivals').next);
  const due = Array.from({ length: 50_000 }, () => {
    const { dueMs } = arrivals;
    return arrivals.take() === dueMs ? dueMs : Number.NaN;
  });
  const gaps = due.slice(1).map((dueMs, at) => dueMs - due[at]!);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
  expect(due[0]).toBe(500);
  expect(mean).toBeCloseTo(1, 1);
  // the spread of an exponential gap is its mean
  expect(Math.sqrt(variance)).toBeCloseTo(1, 1);
});
