import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepareAnswer } from '../process/raw-answer.ts';
import { RecentWins } from './recent-wins.ts';

const answer = prepareAnswer({ result: 'hit' });
const win = (packetId: bigint, expiresAtMs: number, sponsorNo = 0) => ({ packetId, sponsorNo, expiresAtMs });
const [alice, bob, carol] = [
  { low: 1, high: 7 },
  { low: 1, high: -7 },
  { low: 1 << 31, high: 7 },
];

describe('recent wins', () => {
  it('remember the latest turn and answer, and every win that counts', () => {
    const wins = new RecentWins(10);
    wins.add(alice, win(1n, 1000), 5, answer, 0);
    wins.add(alice, win(2n, 2000, 1), 6, answer, 500);
    expect([wins.answerFrom(6, alice, 1999), wins.answerFrom(7, alice, 600)]).toEqual([answer, undefined]);
    // the pace grew: the user's turn is an older one now, but this was won after it
    expect(wins.answerFrom(4, alice, 1999)).toBe(answer);
    expect([wins.answerFrom(6, alice, 2000), wins.answerFrom(6, bob, 600)]).toEqual([undefined, undefined]);
    expect(wins.of(alice)!.map(({ packetId }) => packetId)).toEqual([2n, 1n]);
    expect(wins.of(bob)).toBeUndefined();
  });

  it('forget a user when the last ticket is past, but not one who holds an opened packet', () => {
    const wins = new RecentWins(10);
    wins.add(alice, win(1n, 1000), 5, answer, 0);
    wins.add(bob, win(2n, 1000), 5, answer, 0);
    wins.markOpened(bob, 2n, 0, 500);
    wins.sweep(999);
    expect(wins.size).toBe(2);
    wins.sweep(1000);
    expect(wins.of(alice)).toBeUndefined();
    expect(wins.of(bob)!).toEqual([win(2n, 0)]);
  });

  it('are bounded: who changed longest ago falls out first', () => {
    const wins = new RecentWins(2);
    wins.add(alice, win(1n, 1000), 1, answer, 0);
    wins.add(bob, win(2n, 1000), 1, answer, 0);
    wins.add(alice, win(3n, 1000), 2, answer, 0);
    wins.add(carol, win(4n, 1000), 2, answer, 0);
    expect([wins.of(alice) !== undefined, wins.of(bob), wins.size]).toEqual([true, undefined, 2]);
  });

  it('finds everybody who is remembered, and nobody else, whatever the hashes', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const user = fc.record({ low: fc.oneof(fc.integer({ min: -3, max: 3 }), word), high: word });
    const step = fc.record({ user: fc.nat(19), act: fc.constantFrom('win', 'open', 'sweep'), ms: fc.nat(400) });
    fc.assert(
      fc.property(fc.array(user, { minLength: 20, maxLength: 20 }), fc.array(step), (users, steps) => {
        const wins = new RecentWins(8);
        // by the same bits as the keys: users that share them are one
        const model = new Map<string, number>();
        const nameOf = ({ low, high }: { low: number; high: number }): string => `${low >>> 11} ${high}`;
        let nowMs = 0;
        for (const { user: no, act, ms } of steps) {
          nowMs += ms;
          const name = nameOf(users[no]!);
          if (act === 'win') wins.add(users[no]!, win(1n, nowMs + 500), 1, answer, nowMs);
          else if (act === 'open') wins.markOpened(users[no]!, 1n, 0, nowMs);
          else wins.sweep(nowMs);
          if (act === 'sweep') {
            for (const [known, untilMs] of model) if (untilMs <= nowMs) model.delete(known);
            continue;
          }
          const untilMs = act === 'open' || model.get(name) === Infinity ? Infinity : nowMs + 500;
          model.delete(name);
          model.set(name, untilMs);
          if (model.size > 8) model.delete(model.keys().next().value!);
        }
        for (const each of users) expect(wins.of(each) !== undefined).toBe(model.has(nameOf(each)));
      }),
    );
  });
});
