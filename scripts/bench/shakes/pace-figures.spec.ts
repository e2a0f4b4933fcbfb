import { expect, test } from 'vitest';
import { loadShares, relaxedAfterMs, settledAfterMs } from './pace-figures.ts';

const period = (decided: number, meanWaitMs = 0) => ({ decided, rests: 0, meanWaitMs });

test('a share is of the second that ends with a period', () => {
  expect(loadShares([period(500), period(500), period(400)], 1000)).toEqual([1, 0.9]);
  expect(loadShares([{ decided: 100, rests: 400 }, period(500)], 1000)).toEqual([1]);
});

test('it has settled when it stays within the band', () => {
  const steady = Array.from({ length: 8 }, () => 0.9);
  expect(settledAfterMs(steady)).toBe(0);
  // the four periods from the third on are 0.94 in the mean
  expect(settledAfterMs([1, 1, 1, 0.92, 0.92, 0.92, 0.9, 0.9])).toBe(1000);
  expect(settledAfterMs([...steady, 1, ...steady])).toBe(0);
  expect(settledAfterMs([...steady, 0, ...steady])).toBe(4500);
  expect(settledAfterMs([...steady, 0.4])).toBeUndefined();
});

test('intervals are back when clients are told the own one of the event', () => {
  expect(relaxedAfterMs([period(1, 900), period(1, 500), period(1, 300)], 200)).toBe(1500);
  expect(relaxedAfterMs([period(1, 900)], 200)).toBeUndefined();
});
