import { describe, expect, it } from 'vitest';
import { newShakePace, type Session } from './session.ts';
import { SessionCache } from './session-cache.ts';

const session = (userId: string, cachedUntilMs = 1000): Session => ({
  userId,
  user: { low: 0, high: 0 },
  cachedUntilMs,
  pace: newShakePace(),
});

describe('the session cache', () => {
  it('gives a session until its time is past', () => {
    const cache = new SessionCache(10);
    const alice = session('alice');
    cache.set('a', alice);
    expect(cache.get('a', 999)).toBe(alice);
    expect(cache.get('a', 1000)).toBeUndefined();
    expect(cache.get('b', 0)).toBeUndefined();
  });

  it('keeps what is used and is bounded', () => {
    const cache = new SessionCache(10);
    cache.set('used', session('used'));
    for (let i = 0; i < 1000; i++) {
      cache.set(`n${i}`, session(`n${i}`));
      expect(cache.get('used', 0)).toBeDefined();
      expect(cache.size).toBeLessThanOrEqual(10);
    }
    expect(cache.get('n0', 0)).toBeUndefined();
    expect(cache.get('n999', 0)).toBeDefined();
  });
});
