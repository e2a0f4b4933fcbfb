import { beforeEach, describe, expect, it } from 'vitest';
import { ReadCache } from './read-cache.ts';

class Away extends Error {}

let nowMs = 0;
let cache: ReadCache<number>;
beforeEach(() => {
  nowMs = 0;
  cache = new ReadCache({ entriesMax: 2, monotonicMs: () => nowMs, isAway: (error) => error instanceof Away });
});

const gives = (value: number) => async () => value;
const fails = (error: Error) => async (): Promise<number> => {
  throw error;
};

describe('the read cache', () => {
  it('gives a copy that is young enough for the asker, and reads else', async () => {
    expect(await cache.get('a', 0, gives(1))).toBe(1);
    expect(await cache.get('a', 0, gives(2))).toBe(2);
    nowMs = 99;
    expect(await cache.get('a', 100, gives(3))).toBe(2);
    nowMs = 100;
    expect(await cache.get('a', 100, gives(3))).toBe(3);
  });

  it('gives a copy of any age while the source is away, and no copy for another error', async () => {
    await cache.get('a', 0, gives(1));
    nowMs = 1e9;
    expect(await cache.get('a', 0, fails(new Away()))).toBe(1);
    await expect(cache.get('a', 0, fails(new Error('defect')))).rejects.toThrow('defect');
    await expect(cache.get('b', 0, fails(new Away()))).rejects.toThrow(Away);
  });

  it('is bounded: what was read longest ago falls out', async () => {
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key, 0, gives(1));
    expect(await cache.get('a', 10, gives(9))).toBe(1);
    expect(await cache.get('c', 10, gives(9))).toBe(1);
    expect(await cache.get('b', 10, gives(9))).toBe(9);
  });
});
