import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSizeMax } from './block-mask.ts';
import { fenMax } from './money.ts';
import { blockNoMax, poolIdMax } from './packet-id.ts';
import {
  blockBudgetFen,
  blockCountOf,
  blockSizeOf,
  blocksPerPoolMin,
  findPlanFaults,
  findPoolFaults,
  hasPacket,
  type PoolPlan,
  packetCountMax,
  packetFenMax,
  packetShareBudgetFen,
  packetsInBlock,
  poolFundsFen,
  sharePortionsMax,
} from './pool-plan.ts';

const goodPlan: PoolPlan = {
  poolId: 1,
  packetCount: 300,
  budgetFen: 30_000,
  minFen: 1,
  maxFen: 1000,
  sharePortions: 5,
  shareBudgetFen: 6000,
};

const anyCount = fc.oneof(
  fc.integer({ min: 1, max: 2000 }),
  fc.integer({ min: 1, max: packetCountMax }),
  fc.constant(packetCountMax),
);
const anyBudget = fc.oneof(
  fc.maxSafeNat().map((n) => n % (fenMax + 1)),
  fc.nat(1_000_000),
  fc.constant(fenMax),
);

describe('blocks of a pool', () => {
  it('sizes are powers of two up to 256 that leave a pool 32 blocks where it has 32 packets', () => {
    fc.assert(
      fc.property(anyCount, (packetCount) => {
        const size = blockSizeOf(packetCount);
        expect(Number.isInteger(Math.log2(size)) && size >= 1 && size <= blockSizeMax).toBe(true);
        if (packetCount >= blocksPerPoolMin) expect(blockCountOf(packetCount)).toBeGreaterThanOrEqual(blocksPerPoolMin);
        if (size < blockSizeMax) expect(size * 2).toBeGreaterThan(packetCount / blocksPerPoolMin);
        expect(blockCountOf(packetCount)).toBeLessThanOrEqual(blockNoMax + 1);
      }),
    );
    expect([1, 63, 64, 300, 8191, 8192, 1e9].map(blockSizeOf)).toEqual([1, 1, 2, 8, 128, 256, 256]);
  });

  it('blocks hold all packets of the pool, and only the last one may be short', () => {
    fc.assert(
      fc.property(anyCount, fc.nat(packetCountMax), (packetCount, anyNo) => {
        const [size, count] = [blockSizeOf(packetCount), blockCountOf(packetCount)];
        const last = packetsInBlock({ packetCount }, count - 1);
        expect((count - 1) * size + last).toBe(packetCount);
        if (count > 1) expect(packetsInBlock({ packetCount }, anyNo % (count - 1))).toBe(size);
        expect(() => packetsInBlock({ packetCount }, count)).toThrow(RangeError);
        expect(() => packetsInBlock({ packetCount }, -1)).toThrow(RangeError);
      }),
    );
  });

  it('hasPacket knows the packets of the pool from all others', () => {
    const has = (ref: object): boolean => hasPacket(goodPlan, { poolId: 1, blockNo: 0, index: 0, ...ref });
    expect(blockSizeOf(goodPlan.packetCount)).toBe(8);
    expect([has({}), has({ index: 7 }), has({ blockNo: 37, index: 3 })]).toEqual([true, true, true]);
    expect([has({ poolId: 2 }), has({ index: 8 }), has({ blockNo: 37, index: 4 }), has({ blockNo: 38 })]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('budgets of blocks and packets', () => {
  it('the blocks of a pool share its budget to the fen', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), anyBudget, (packetCount, budgetFen) => {
        let sum = 0n;
        for (let no = 0; no < blockCountOf(packetCount); no++)
          sum += BigInt(blockBudgetFen({ packetCount, budgetFen }, no));
        expect(sum).toBe(BigInt(budgetFen));
      }),
    );
  });

  it('a block gets its packets’ part of the budget, rounded by less than one fen, in the biggest pool too', () => {
    fc.assert(
      fc.property(anyCount, anyBudget, fc.nat(packetCountMax), (packetCount, budgetFen, anyNo) => {
        const blockNo = anyNo % blockCountOf(packetCount);
        const packets = BigInt(packetsInBlock({ packetCount }, blockNo));
        const part = BigInt(blockBudgetFen({ packetCount, budgetFen }, blockNo)) * BigInt(packetCount);
        const error = part - BigInt(budgetFen) * packets;
        expect(error < BigInt(packetCount) && error > -BigInt(packetCount)).toBe(true);
      }),
    );
  });

  it('the packets of a pool share its share budget to the fen, each with a fen per portion at least', () => {
    const anyShares = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 100 }), fc.nat(1_000_000));
    fc.assert(
      fc.property(anyShares, ([packetCount, sharePortions, extraFen]) => {
        const shareBudgetFen = packetCount * sharePortions + extraFen;
        const plan = { ...goodPlan, packetCount, sharePortions, shareBudgetFen };
        const size = blockSizeOf(packetCount);
        const budgets = Array.from({ length: packetCount }, (_, k) =>
          packetShareBudgetFen(plan, { poolId: 1, blockNo: Math.floor(k / size), index: k % size }),
        );
        expect(budgets.reduce((sum, budget) => sum + budget, 0)).toBe(shareBudgetFen);
        expect(Math.min(...budgets)).toBeGreaterThanOrEqual(sharePortions);
      }),
    );
  });

  it('a packet that the pool does not have has no share budget', () => {
    expect(() => packetShareBudgetFen(goodPlan, { poolId: 1, blockNo: 38, index: 0 })).toThrow(RangeError);
    expect(() => packetShareBudgetFen(goodPlan, { poolId: 2, blockNo: 0, index: 0 })).toThrow(RangeError);
  });

  it('a pool’s funds are packets and shares together', () => {
    expect(poolFundsFen(goodPlan)).toBe(36_000);
  });
});

describe('faults of a pool plan', () => {
  it('a plan that can be met has none, at its tightest either', () => {
    expect(findPlanFaults(goodPlan)).toEqual([]);
    for (const budgetFen of [300, 300_000]) expect(findPlanFaults({ ...goodPlan, budgetFen })).toEqual([]);
    expect(findPlanFaults({ ...goodPlan, sharePortions: 0, shareBudgetFen: 0 })).toEqual([]);
    expect(findPlanFaults({ ...goodPlan, shareBudgetFen: 1500 })).toEqual([]);
  });

  it('each field out of its range is named', () => {
    const maxima = {
      poolId: poolIdMax,
      packetCount: packetCountMax,
      budgetFen: fenMax,
      minFen: packetFenMax,
      maxFen: packetFenMax,
      sharePortions: sharePortionsMax,
      shareBudgetFen: fenMax,
    };
    for (const [field, max] of Object.entries(maxima)) {
      for (const bad of [-1, 0.5, max + 1, Number.NaN, '1']) {
        const faults = findPlanFaults({ ...goodPlan, [field]: bad });
        expect(faults.filter((fault) => fault.startsWith(`${field}: `))).toHaveLength(1);
      }
    }
    for (const field of ['packetCount', 'budgetFen', 'minFen', 'maxFen']) {
      expect(findPlanFaults({ ...goodPlan, [field]: 0 })[0]).toMatch(new RegExp(`^${field}: `));
    }
  });

  it('a budget outside count × [min, max] is named by one fen', () => {
    expect(findPlanFaults({ ...goodPlan, budgetFen: 299 })).toEqual([expect.stringMatching(/^budgetFen: .*below/)]);
    expect(findPlanFaults({ ...goodPlan, budgetFen: 300_001 })).toEqual([expect.stringMatching(/^budgetFen: .*above/)]);
    expect(findPlanFaults({ ...goodPlan, minFen: 2, maxFen: 1 })).toEqual([expect.stringMatching(/^minFen: .*above/)]);
  });

  it('shares need a fen per portion, no more than a packet may hold, and nothing where there are no portions', () => {
    expect(findPlanFaults({ ...goodPlan, shareBudgetFen: 1499 })).toEqual([expect.stringMatching(/^shareBudgetFen: /)]);
    expect(findPlanFaults({ ...goodPlan, sharePortions: 0 })).toEqual([expect.stringMatching(/^shareBudgetFen: /)]);
    const excess = { ...goodPlan, shareBudgetFen: 300 * packetFenMax + 1 };
    expect(findPlanFaults(excess)).toEqual([expect.stringMatching(/^shareBudgetFen: .*above/)]);
  });

  it('faults that do not depend on each other are named together', () => {
    const faults = findPoolFaults({ ...goodPlan, budgetFen: 299, sharePortions: -1 });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(['sharePortions', 'budgetFen']);
  });
});
