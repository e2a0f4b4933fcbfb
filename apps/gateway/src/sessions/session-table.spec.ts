import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Session } from './session.ts';
import { SessionTable } from './session-table.ts';
import { TokenHash } from './token-hash.ts';

const nowMs = 1_800_000_000_000;
const untilMs = nowMs + 600_000;

/** A header whose token names a user, as a verified one would. */
const headerOf = (userId: string, mac = 'mac'): string =>
  `Bearer head.${Buffer.from(JSON.stringify({ sub: userId })).toString('base64url')}.${mac}`;

function put(table: SessionTable, userId: string, number = 0, cachedUntilMs = untilMs): Session {
  return table.put(headerOf(userId), { user: { low: number, high: -number }, cachedUntilMs }, nowMs);
}

describe('the session table', () => {
  it('gives a session until its time is past, and its user out of the token', () => {
    const table = new SessionTable(1000);
    expect(table.find(headerOf('alice'), nowMs)).toBeUndefined();
    put(table, 'alice', 7);
    const found = table.find(headerOf('alice'), untilMs - 1)!;
    expect([found.userId, found.user, found.cachedUntilMs]).toEqual(['alice', { low: 7, high: -7 }, untilMs]);
    expect(table.find(headerOf('alice'), untilMs)).toBeUndefined();
    expect([table.knows(headerOf('alice')), table.knows(headerOf('bob'))]).toEqual([true, false]);
  });

  it('never gives the session of one token for another, wherever they differ', () => {
    const table = new SessionTable(1000);
    put(table, 'alice');
    const header = headerOf('alice');
    for (let at = 0; at < header.length; at++) {
      const tampered = `${header.slice(0, at)}${header[at] === 'x' ? 'y' : 'x'}${header.slice(at + 1)}`;
      expect(table.find(tampered, nowMs)).toBeUndefined();
      expect(table.find(header.slice(0, at), nowMs)).toBeUndefined();
    }
    expect(table.find(`${header} `, nowMs)).toBeUndefined();
  });

  it('keeps the pace of a session, also when it is verified again', () => {
    const table = new SessionTable(1000);
    const { pace } = put(table, 'alice');
    expect(pace.earlyCount).toBe(0);
    pace.earlyCount = 3;
    const again = put(table, 'alice', 9).pace;
    expect(again.earlyCount).toBe(3);
    again.earlyCount = 1_000_000;
    expect(table.find(headerOf('alice'), nowMs)!.pace.earlyCount).toBe(65_535);
    again.earlyCount = 0;
    expect(table.find(headerOf('alice'), nowMs)!.pace.earlyCount).toBe(0);
  });

  it('forgets a token that no longer verifies', () => {
    const table = new SessionTable(1000);
    put(table, 'alice');
    put(table, 'bob');
    table.forget(headerOf('alice'));
    table.forget(headerOf('nobody'));
    expect([table.knows(headerOf('alice')), table.knows(headerOf('bob'))]).toEqual([false, true]);
    put(table, 'alice', 2);
    expect(table.find(headerOf('alice'), nowMs)!.user.low).toBe(2);
  });

  it('is bounded, keeps who is used, and takes the place of those who are not', () => {
    const table = new SessionTable(100);
    put(table, 'used');
    for (let i = 0; i < 10_000; i++) {
      put(table, `n${i}`);
      expect(table.find(headerOf('used'), nowMs)).toBeDefined();
    }
    expect(table.size).toBe(100);
    expect(table.find(headerOf('n9999'), nowMs)).toBeDefined();
    expect(table.find(headerOf('n0'), nowMs)).toBeUndefined();
    expect(table.bytes).toBeLessThan(100 * 40);
  });

  it('takes the place of an ended session though it was used, and gives up looking when all are used', () => {
    const table = new SessionTable(200);
    for (let i = 0; i < 200; i++) put(table, `n${i}`, 0, i === 30 ? nowMs + 1 : untilMs);
    for (let i = 0; i < 200; i++) table.find(headerOf(`n${i}`), nowMs);
    table.put(headerOf('late'), { user: { low: 0, high: 0 }, cachedUntilMs: untilMs }, nowMs + 1000);
    const left = Array.from({ length: 200 }, (_, i) => i).filter((i) => table.knows(headerOf(`n${i}`)));
    expect(left).toHaveLength(199);
    expect(left).not.toContain(30);
    for (let i = 0; i < 500; i++) {
      put(table, `late${i}`);
      expect(table.find(headerOf(`late${i}`), nowMs)).toBeDefined();
    }
    expect(table.size).toBe(200);
  });

  it('behaves as a map that may forget: whatever is found is what was put last', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.boolean()), { maxLength: 400 }), (steps) => {
        const table = new SessionTable(16);
        const model = new Map<number, number>();
        steps.forEach(([user, isPut], step) => {
          if (isPut) {
            put(table, `u${user}`, step);
            model.set(user, step);
          }
          const found = table.find(headerOf(`u${user}`), nowMs);
          if (isPut) expect(found).toBeDefined();
          if (found !== undefined) expect([found.user.low, found.userId]).toEqual([model.get(user), `u${user}`]);
        });
        expect(table.size).toBeLessThanOrEqual(16);
      }),
    );
  });
});

describe('the hash of a token', () => {
  const wordsOf = (hash: TokenHash, text: string): number[] => {
    hash.take(text);
    return [...hash.words];
  };

  it('is the same for the same key and text alone', () => {
    const keys = Int32Array.from({ length: 30 }, (_, at) => Math.imul(at + 1, 0x9e3779b9));
    const hash = new TokenHash(keys);
    expect(wordsOf(hash, 'a')).toEqual(wordsOf(new TokenHash(keys), 'a'));
    expect(wordsOf(hash, 'a')).not.toEqual(wordsOf(hash, 'b'));
    expect(wordsOf(hash, 'a')).not.toEqual(wordsOf(new TokenHash(keys.map((key) => key + 1)), 'a'));
    expect(wordsOf(new TokenHash(), 'a')).not.toEqual(wordsOf(new TokenHash(), 'a'));
  });

  it('is the sum of its formula', () => {
    const keys = Int32Array.from({ length: 9 }, (_, at) => at - 0x7fff_ffff);
    const [a, b] = [97, 98];
    const wordOf = (at: number): number =>
      Number(
        BigInt.asIntN(32, BigInt(keys[at]!) + BigInt(keys[at + 3]!) * BigInt(a) + BigInt(keys[at + 6]!) * BigInt(b)),
      );
    expect(wordsOf(new TokenHash(keys), 'ab')).toEqual([0, 1, 2].map(wordOf));
  });

  it('fills all its words', () => {
    const hash = new TokenHash();
    const seen = Array.from({ length: 3 }, () => new Set<number>());
    for (let i = 0; i < 200; i++) for (const [at, word] of wordsOf(hash, `t${i}`).entries()) seen[at]!.add(word);
    expect(seen.map((words) => words.size)).toEqual([200, 200, 200]);
  });
});
