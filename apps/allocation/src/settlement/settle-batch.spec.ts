import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SettleBatchOptions, settleBatch, UnsettledError } from './settle-batch.ts';

const databaseError = (code: string) => Object.assign(new Error(`SQLSTATE ${code}`), { code });

const errorCodesOf = (error: unknown): string[] => {
  expect(error).toBeInstanceOf(UnsettledError);
  const { errors, cause } = error as UnsettledError;
  expect(cause).toBe(errors[0]);
  return errors.map((one) => (one as { code: string }).code).sort();
};

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
        expect(rig.buried.toSorted((a, b) => a - b)).toEqual(claims.filter((claim) => isPoison[claim]));
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

  it('settles all claims but those that are blocked or meet a defect, which are not buried (invariant 9)', async () => {
    const code = fc.constantFrom(undefined, undefined, '55P03', '57014', '53200', '42883', 'XX002', '23514');
    await fc.assert(
      fc.asyncProperty(fc.array(code, { minLength: 1, maxLength: 24 }), async (codes) => {
        const settled = new Set<number>();
        const { rig, options } = rigOf(async (batch) => {
          const bad = batch.find((claim) => codes[claim] !== undefined);
          if (bad !== undefined) throw databaseError(codes[bad]!);
          for (const claim of batch) settled.add(claim);
          return batch.map(() => 'credited');
        });
        const claims = codes.map((_, claim) => claim);
        const isUnsettled = (claim: number) => codes[claim] !== undefined && codes[claim] !== '23514';
        const error = await settleBatch(claims, options).catch((cause: unknown) => cause);
        expect(settled).toEqual(new Set(claims.filter((claim) => codes[claim] === undefined)));
        expect(rig.buried.toSorted((a, b) => a - b)).toEqual(claims.filter((claim) => codes[claim] === '23514'));
        const unsettled = claims.filter(isUnsettled);
        if (unsettled.length === 0) expect(error).not.toBeInstanceOf(Error);
        else expect(errorCodesOf(error)).toEqual(unsettled.map((claim) => codes[claim]).sort());
      }),
      { numRuns: 30 },
    );
  });

  it.each(['55P03', '57014', '53200'])(
    'repeats a batch that is blocked (%s) three times, then bisects it',
    async (code) => {
      const { rig, options } = rigOf(async (batch) => {
        if (batch.includes(2)) throw databaseError(code);
        return batch.map(() => 'credited');
      });
      await expect(settleBatch([1, 2, 3, 4], options)).rejects.toThrow(new UnsettledError([databaseError(code)], 4));
      // the halves have waited with the whole: they are tried once
      expect(rig.calls).toEqual([...Array(4).fill([1, 2, 3, 4]), [1, 2], [3, 4], [1], [2]]);
      expect(rig.buried).toEqual([]);
    },
  );

  it('settles the other half before it searches for what is blocked', async () => {
    const { rig, options } = rigOf(async (batch) => {
      if (batch.includes(0)) throw databaseError('55P03');
      return batch.map(() => 'credited');
    });
    await expect(settleBatch([0, 1, 2, 3], options)).rejects.toBeInstanceOf(UnsettledError);
    expect(rig.calls.slice(4)).toEqual([[0, 1], [2, 3], [0], [1]]);
  });

  it('goes on with the whole batch when it was blocked for a moment', async () => {
    const { rig, options } = rigOf(async (batch, call) => {
      if (call <= 3) throw databaseError('55P03');
      return batch.map(() => 'credited');
    });
    expect(await settleBatch([1, 2], options)).toEqual(['credited', 'credited']);
    expect(rig.calls).toEqual(Array(4).fill([1, 2]));
  });

  it('gives the settled claims the same outcomes when an unsettled batch is run again (invariant 7)', async () => {
    const booked = new Map<number, string>();
    let isLocked = true;
    const { options } = rigOf(async (batch, call) => {
      if (isLocked && batch.includes(3)) throw databaseError('55P03');
      for (const claim of batch) if (!booked.has(claim)) booked.set(claim, `credited by call ${call}`);
      return batch.map((claim) => booked.get(claim)!);
    });
    await expect(settleBatch([1, 2, 3, 4], options)).rejects.toBeInstanceOf(UnsettledError);
    const before = new Map(booked);
    expect([...before.keys()].sort()).toEqual([1, 2, 4]);
    isLocked = false;
    const outcomes = await settleBatch([1, 2, 3, 4], options);
    for (const [claim, outcome] of before) expect(outcomes[claim - 1]).toBe(outcome);
  });

  it('leaves a claim unsettled whose burial meets a defect, and settles the others', async () => {
    const { rig, options } = rigOf(async (batch) => {
      if (batch.includes(1)) throw databaseError('22003');
      return batch.map(() => 'credited');
    });
    const bury = async () => {
      throw databaseError('42P01');
    };
    const error = await settleBatch([1, 2], { ...options, bury }).catch((cause: unknown) => cause);
    expect(errorCodesOf(error)).toEqual(['42P01']);
    expect(rig.calls).toEqual([[1, 2], [1], [2]]);
  });

  it('searches no further when the process stops', async () => {
    const stopping = new AbortController();
    const { rig, options } = rigOf(async () => {
      stopping.abort();
      throw databaseError('42883');
    }, stopping.signal);
    await expect(settleBatch([1, 2], options)).rejects.toThrow('SQLSTATE 42883');
    expect(rig.calls).toEqual([[1, 2]]);
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
