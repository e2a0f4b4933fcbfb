// However many ask, the source sees one question per key, never more than it may, and an old copy is better than none.
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#libs/runtime';
import { ReadCache, type ReadCacheOptions } from './read-cache.ts';

const second = () => 1000;

/** A source whose answers come when the test says so. */
function create(options: Partial<ReadCacheOptions<string>> = {}) {
  const clock = { nowMs: 0 };
  const asked: string[] = [];
  const pending: { resolve(value: string): void; reject(error: Error): void }[] = [];
  const load = (key: string) =>
    new Promise<string>((resolve, reject) => {
      asked.push(key);
      pending.push({ resolve, reject });
    });
  const bounds = { entriesMax: 10, loadsInFlightMax: 10, staleMaxMs: 10_000 };
  const cache = new ReadCache<string>({ ...bounds, load, monotonicMs: () => clock.nowMs, ...options });
  const next = () => pending.shift()!;
  const fill = async (key: string, value: string) => {
    const got = cache.get(key, second);
    next().resolve(value);
    return await got;
  };
  return { cache, clock, asked, next, fill };
}

describe('read cache', () => {
  it('asks once for many who ask at the same time', async () => {
    const { cache, asked, next } = create();
    const all = Promise.all([cache.get('a', second), cache.get('a', second), cache.get('a', second)]);
    next().resolve('first');
    expect(await all).toEqual(['first', 'first', 'first']);
    expect(asked).toEqual(['a']);
  });

  it('serves a copy up to its age and asks again after it', async () => {
    const { cache, clock, asked, fill } = create();
    await fill('a', 'first');
    clock.nowMs = 1000;
    expect(await cache.get('a', second)).toBe('first');
    clock.nowMs = 1001;
    expect(await fill('a', 'second')).toBe('second');
    expect(asked).toEqual(['a', 'a']);
  });

  it('serves an old copy when the source fails, but not one that is too old', async () => {
    const { cache, clock, next, fill } = create();
    await fill('a', 'first');
    clock.nowMs = 10_000;
    const stale = cache.get('a', second);
    next().reject(new ProblemError('dependency_unavailable', 'away'));
    expect(await stale).toBe('first');
    clock.nowMs = 10_001;
    const none = cache.get('a', second);
    next().reject(new ProblemError('dependency_unavailable', 'away'));
    await expect(none).rejects.toThrow('away');
  });

  it('gives a failure to all who waited for it, and asks again for the next one', async () => {
    const { cache, next, fill } = create();
    const all = Promise.allSettled([cache.get('a', second), cache.get('a', second)]);
    next().reject(new ProblemError('dependency_unavailable', 'away'));
    expect((await all).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await fill('a', 'back')).toBe('back');
  });

  it('refuses more loads than it may, unless there is a copy', async () => {
    const { cache, clock, next, fill } = create({ loadsInFlightMax: 1 });
    await fill('a', 'first');
    clock.nowMs = 2000;
    const busy = cache.get('b', second);
    await expect(cache.get('c', second)).rejects.toMatchObject({ code: 'overloaded' });
    expect(await cache.get('a', second)).toBe('first');
    next().resolve('b');
    await busy;
    expect(await fill('c', 'now')).toBe('now');
  });

  it('keeps no more copies than it may: the one not asked for the longest leaves', async () => {
    const { cache, fill } = create({ entriesMax: 2 });
    await fill('a', 'a');
    await fill('b', 'b');
    await cache.get('a', second);
    await fill('c', 'c');
    expect(['a', 'b', 'c'].map((key) => cache.peek(key))).toEqual(['a', undefined, 'c']);
  });

  it('does not hide a defect behind an old copy', async () => {
    const { cache, clock, next, fill } = create();
    await fill('a', 'first');
    clock.nowMs = 2000;
    const defect = cache.get('a', second);
    next().reject(new TypeError('a defect'));
    await expect(defect).rejects.toThrow(TypeError);
  });

  it('asks again for what is outdated, and has it still when the source is away', async () => {
    const { cache, next, fill } = create();
    await fill('a', 'first');
    cache.outdate('a');
    const away = cache.get('a', second);
    next().reject(new ProblemError('dependency_unavailable'));
    expect(await away).toBe('first');
    expect(await fill('a', 'second')).toBe('second');
  });

  it('keeps no load that was begun before it was outdated', async () => {
    const { cache, next } = create();
    const old = cache.get('a', second);
    cache.outdate('a');
    const fresh = cache.get('a', second);
    const [first, later] = [next(), next()];
    later.resolve('after');
    first.resolve('before');
    expect(await Promise.all([old, fresh])).toEqual(['before', 'after']);
    expect(cache.peek('a')).toBe('after');
  });
});
