import { describe, expect, it } from 'vitest';
import { randomOf } from './random.ts';

const draws = (seed: number, name: string): number[] => {
  const random = randomOf(seed, name);
  return Array.from({ length: 1000 }, () => random.next());
};

describe('seeded randomness', () => {
  it('repeats by seed and name, and differs by either', () => {
    expect(draws(1, 'ann')).toEqual(draws(1, 'ann'));
    expect(draws(1, 'ann')).not.toEqual(draws(1, 'bob'));
    expect(draws(1, 'ann')).not.toEqual(draws(2, 'ann'));
  });

  it('is spread evenly enough to plan habits with', () => {
    const mean = draws(7, 'spread').reduce((sum, value) => sum + value, 0) / 1000;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
    const dice = randomOf(7, 'dice');
    const faces = new Set(Array.from({ length: 200 }, () => dice.integer(1, 6)));
    expect([...faces].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(dice.pick([])).toBeUndefined();
  });
});
