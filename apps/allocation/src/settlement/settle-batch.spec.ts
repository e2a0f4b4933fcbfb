import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SettleBatchOptions, settleBatch } from './settle-batch.ts';

const databaseError = (code: string) => Object.assign(new Error(`SQLSTATE ${code}`), { code });

interface Rig {
  readonly calls: number[][];
  readonly buried: number[];
  readonly repeats: string[];
}

function rigOf(settle: (claims: readonly number[], call: number) => Promise<string[]>, stopped?: AbortSignal) {
  const rig: Rig = { calls: [], buried: [], repeats: [] };
  const options: SettleBatchOptions<number, string> = {
    settle: (claims) => settle(claims, rig.calls.push([...claims])),
    bury: async (claim) => {
      rig.buried.push(claim);
      return 'dead';
    },
    onRepeat: (_error, kind) => rig.repeats.push(kind),
    stopped: stopped ?? new AbortController().signal,
  };
  return { rig, options };
}

describe('settleBatch', () => {
  it('finds exactly the poisonous claims by bisection, settles all others, and keeps the order (invariant 9)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 64 }), async (isPoison) => {
        const claims = isPoison.map((_, claim) => claim);
        const { rig, options } = rigOf(async (batch) => {
          if (batch.some((claim) => isPoison[claim])) throw databaseError('23514');
          return batch.map((claim) => `credited ${claim}`);
        });
        const outcomes = await settleBatch(claims, options);
        expect(outcomes).toEqual(claims.map((claim) => (isPoison[claim] ? 'dead' : `credited ${claim}`)));
        expect(rig.buried).toEqual(claims.filter((claim) => isPoison[claim]));
      }),
    );
  });

  it('repeats the same batch while the database is away or in conflict, and buries nothing', async () => {
    const errors = ['57P03', '40001', '40P01', '08006'];
    const { rig, options } = rigOf(async (batch, call) => {
      const code = errors[call - 1];
      if (code !== undefined) throw databaseError(code);
      return batch.map(() => 'credited');
    });
    expect(await settleBatch([1, 2, 3], options)).toEqual(['credited', 'credited', 'credited']);
    expect(rig.calls).toEqual(Array(5).fill([1, 2, 3]));
    expect(rig.repeats).toEqual(['away', 'conflict', 'conflict', 'away']);
    expect(rig.buried).toEqual([]);
  });

  it('rejects with a defect at once: it is neither repeated nor buried', async () => {
    const { rig, options } = rigOf(async () => {
      throw databaseError('42883');
    });
    await expect(settleBatch([1, 2], options)).rejects.toThrow('42883');
    expect(rig.calls).toHaveLength(1);
    expect(rig.buried).toEqual([]);
  });

  it('stops waiting for a database that is away when the process stops', async () => {
    const stopping = new AbortController();
    const { rig, options } = rigOf(async (_batch, call) => {
      if (call === 2) stopping.abort();
      throw databaseError('57P03');
    }, stopping.signal);
    await expect(settleBatch([1], options)).rejects.toThrow('57P03');
    expect(rig.calls).toHaveLength(2);
  });

  it('repeats the burial as well until the claim is kept', async () => {
    let tries = 0;
    const { options } = rigOf(async () => {
      throw databaseError('22003');
    });
    const bury = async () => {
      tries += 1;
      if (tries < 3) throw databaseError('57P03');
      return 'dead';
    };
    expect(await settleBatch([1], { ...options, bury })).toEqual(['dead']);
    expect(tries).toBe(3);
  });

  it('settles nothing without a call', async () => {
    const { rig, options } = rigOf(async () => []);
    expect(await settleBatch([], options)).toEqual([]);
    expect(rig.calls).toEqual([]);
  });
});
