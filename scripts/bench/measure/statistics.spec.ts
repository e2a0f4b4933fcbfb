import { expect, test } from 'vitest';
import { median, pairedRatio, quantile, rotated } from './statistics.ts';

test('the median is the middle one, or between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow(RangeError);
});

test('a quantile is a value that was measured', () => {
  const hundred = Float64Array.from({ length: 100 }, (_, at) => at + 1);
  expect([0, 0.5, 0.99, 1].map((fraction) => quantile(hundred, fraction))).toEqual([1, 50, 99, 100]);
  expect(quantile([7], 0.5)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

test('what disturbs both of a pair does not change the ratio', () => {
  expect(pairedRatio([80, 8, 80], [100, 10, 100])).toEqual({ ratio: 0.8, lowest: 0.8, highest: 0.8 });
  expect(pairedRatio([80, 90, 60], [100, 100, 100])).toEqual({ ratio: 0.8, lowest: 0.6, highest: 0.9 });
  expect(() => pairedRatio([1], [1, 2])).toThrow(RangeError);
});

test('each round begins with another one', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc']);
});
