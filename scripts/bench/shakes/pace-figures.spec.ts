import { expect, test } from 'vitest';
import { loadShares, relaxedAfterMs, settledAfterMs } from './pace-figures.ts';

const period = (decided: number, meanWaitMs = 0) => ({ decided, rests: 0, meanWaitMs });

test('a share is of the second that ends with a period', () => {
  expect(loadShares([period(500), period(500), period(400)], 1000)).toEqual([1, 0.9]);
  expect(loadShares([{ decided: 100, rests: 400 }, period(500)], 1000)).toEqual([1]);
});

test('it has settled when it stays within the band', () => {
  expect(settledAfterMs([1, 0.97, 0.9, 0.85])).toBe(2000);
  expect(settledAfterMs([0.9, 0.9])).toBe(1000);
  expect(settledAfterMs([0.9, 1, 0.9])).toBe(2000);
  expect(settledAfterMs([0.9, 0.9, 0.5])).toBeUndefined();
});

test('intervals are back when clients are told the own one of the event', () => {
  expect(relaxedAfterMs([period(1, 900), period(1, 500), period(1, 300)], 200)).toBe(1500);
  expect(relaxedAfterMs([period(1, 900)], 200)).toBeUndefined();
});
