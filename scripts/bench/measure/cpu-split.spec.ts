import { expect, test } from 'vitest';
import { splitBetween, splitFigures } from './cpu-split.ts';

const before = { atMs: 1000, busyMicros: 0, microsOf: { gateway: 5_000_000, redis: 100 } };
const after = { atMs: 3000, busyMicros: 3_600_000, microsOf: { gateway: 6_500_000, redis: 1_500_100 } };

test('who had the cores is what each group ran over the time between, and the rest of what was busy is others', () => {
  const split = splitBetween(before, after);
  expect(split).toMatchObject({ coresOf: { gateway: 0.75, redis: 0.75 }, seconds: 2 });
  expect(split.othersCores).toBeCloseTo(0.3);
  expect(splitFigures(split, 10_000)).toEqual({
    gateway: { cores: 0.75, microsEach: 75 },
    redis: { cores: 0.75, microsEach: 75 },
    others: { cores: 0.3, microsEach: 30 },
  });
});

test('time that is counted in ticks may fall short of what the scheduler counts: nobody then has less than nothing', () => {
  expect(splitBetween(before, { ...after, busyMicros: 2_990_000 }).othersCores).toBe(0);
});
