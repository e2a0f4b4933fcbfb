import { describe, expect, it } from 'vitest';
import { settleInRounds } from './rounds.ts';

interface Claim {
  readonly key: string;
  readonly by: string;
  readonly acceptedAtMs: number;
}

const claim = (key: string, by: string, acceptedAtMs: number): Claim => ({ key, by, acceptedAtMs });

/** Settles by letting the first of a key win; notes the calls. */
async function run(claims: readonly Claim[]) {
  const calls: string[][] = [];
  const owners = new Map<string, string>();
  const settled = await settleInRounds(claims, {
    keyOf: ({ key }) => key,
    identityOf: ({ by }) => by,
    settle: async (round) => {
      calls.push(round.map(({ key, by }) => `${key}${by}`));
      return round.map(({ key, by }) => {
        const isFirst = !owners.has(key);
        if (isFirst) owners.set(key, by);
        return owners.get(key) === by ? { outcome: 'credited', isNew: isFirst } : { outcome: 'taken' };
      });
    },
  });
  return {
    calls,
    outcomes: settled.map(({ outcome, isNew }) => (isNew === undefined ? outcome : `${outcome} ${isNew}`)),
  };
}

describe('settleInRounds', () => {
  it('settles distinct keys in one call, in order of acceptance, and answers in the order of the claims', async () => {
    const { calls, outcomes } = await run([claim('b', 'x', 2), claim('a', 'x', 1), claim('c', 'x', 2)]);
    expect(calls).toEqual([['ax', 'bx', 'cx']]);
    expect(outcomes).toEqual(['credited true', 'credited true', 'credited true']);
  });

  it('settles the same claim once, by its earliest acceptance; only that one is new', async () => {
    const { calls, outcomes } = await run([claim('a', 'x', 3), claim('a', 'x', 1), claim('a', 'x', 2)]);
    expect(calls).toEqual([['ax']]);
    expect(outcomes).toEqual(['credited false', 'credited true', 'credited false']);
  });

  it('settles different claims on one key in rounds', async () => {
    const claims = [
      claim('a', 'late', 9),
      claim('a', 'early', 1),
      claim('b', 'x', 5),
      claim('a', 'late', 8),
      claim('a', 'last', 10),
    ];
    const { calls, outcomes } = await run(claims);
    expect(calls).toEqual([['aearly', 'bx'], ['alate'], ['alast']]);
    expect(outcomes).toEqual(['taken', 'credited true', 'credited true', 'taken', 'taken']);
  });

  it('makes no call for no claims', async () => {
    expect(await run([])).toEqual({ calls: [], outcomes: [] });
  });
});
