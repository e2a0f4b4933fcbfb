import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSizeMax } from './block-mask.ts';
import { fenMax } from './money.ts';
import { blockNoMax } from './packet-id.ts';
import {
  blockCountOf,
  blockLifeMsMax,
  blockLifeMsMin,
  blockLifeMsOf,
  blockSizeOf,
  blocksPerPoolMin,
  findPoolFaults,
  hasPacket,
  type PoolPlan,
  packetCountMax,
  packetFenMax,
  packetShareBudgetFen,
  packetsInBlock,
  packetsInRun,
  poolFundsFen,
  runBudgetFen,
  runPacketsMax,
  runPositionOf,
  sharePortionsMax,
} from './pool-plan.ts';
import { curveNames, releasedPackets } from './release-curve.ts';

const goodPlan: PoolPlan = {
  poolId: 1,
  packetCount: 300,
  blockSize: 8,
  budgetFen: 30_000,
  minFen: 1,
  maxFen: 1000,
  sharePortions: 5,
  shareBudgetFen: 6000,
};

const yearMs = 366 * 86_400_000;
/** Waves from a second to a year, short ones often. */
const anyDurationMs = fc.oneof(fc.integer({ min: 1, max: 600_000 }), fc.integer({ min: 1, max: yearMs }));
const anySize = fc.nat(8).map((power) => 2 ** power);
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
  it('sizes are powers of two up to 256: the largest that leaves 32 blocks and is not above a second’s packets', () => {
    fc.assert(
      fc.property(anyCount, anyDurationMs, (packetCount, durationMs) => {
        const size = blockSizeOf(packetCount, durationMs);
        const atMost = Math.min(packetCount / blocksPerPoolMin, (packetCount * 1000) / durationMs);
        expect(Number.isInteger(Math.log2(size)) && size >= 1 && size <= blockSizeMax).toBe(true);
        if (size > 1) expect(size).toBeLessThanOrEqual(atMost);
        if (size < blockSizeMax) expect(size * 2).toBeGreaterThan(atMost);
        expect(blockCountOf({ packetCount, blockSize: size })).toBeLessThanOrEqual(blockNoMax + 1);
      }),
    );
  });

  it('sizes follow the count in a short wave and the pace in a long one', () => {
    const of = (durationMs: number) => [1, 63, 64, 300, 8191, 8192, 1e9].map((count) => blockSizeOf(count, durationMs));
    expect(of(1000)).toEqual([1, 1, 2, 8, 128, 256, 256]);
    expect(of(60_000)).toEqual([1, 1, 1, 4, 128, 128, 256]);
    expect(of(6 * 3_600_000)).toEqual([1, 1, 1, 1, 1, 1, 256]);
    expect(of(yearMs)).toEqual([1, 1, 1, 1, 1, 1, 16]);
    for (const bad of [0, -1, 0.5, Number.NaN]) {
      expect(() => blockSizeOf(bad, 1000)).toThrow(RangeError);
      expect(() => blockSizeOf(1000, bad)).toThrow(RangeError);
    }
  });

  it('blocks hold all packets of the pool, and only the last one may be short', () => {
    fc.assert(
      fc.property(anyCount, anySize, fc.nat(packetCountMax), (packetCount, blockSize, anyNo) => {
        const shape = { packetCount, blockSize };
        const count = blockCountOf(shape);
        const last = packetsInBlock(shape, count - 1);
        expect((count - 1) * blockSize + last).toBe(packetCount);
        if (count > 1) expect(packetsInBlock(shape, anyNo % (count - 1))).toBe(blockSize);
        expect(() => packetsInBlock(shape, count)).toThrow(RangeError);
        expect(() => packetsInBlock(shape, -1)).toThrow(RangeError);
      }),
    );
  });

  it('hasPacket knows the packets of the pool from all others', () => {
    const has = (ref: object): boolean => hasPacket(goodPlan, { poolId: 1, blockNo: 0, index: 0, ...ref });
    expect([has({}), has({ index: 7 }), has({ blockNo: 37, index: 3 })]).toEqual([true, true, true]);
    expect([has({ poolId: 2 }), has({ index: 8 }), has({ blockNo: 37, index: 4 }), has({ blockNo: 38 })]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('the life of a block', () => {
  const anyCurve = fc.oneof(
    fc.constantFrom(...curveNames),
    fc
      .array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })))
      .map((points) => {
        const [times, released] = [0, 1].map((i) => points.map((point) => point[i]!).sort((a, b) => a - b));
        return [[0, 0], ...times!.map((time, i) => [time, released![i]!]), [1, 1]] as [number, number][];
      }),
  );

  it('is between ten seconds and a minute, and within it long enough for sixteen blocks wherever the curve rises', () => {
    fc.assert(
      fc.property(
        anyCount,
        anyDurationMs,
        anyCurve,
        fc.nat(1000),
        (packetCount, durationMs, releaseCurve, permille) => {
          const blockSize = blockSizeOf(packetCount, durationMs);
          const lifeMs = blockLifeMsOf({ packetCount, blockSize, releaseCurve }, durationMs);
          expect(Number.isInteger(lifeMs) && lifeMs >= blockLifeMsMin && lifeMs <= blockLifeMsMax).toBe(true);
          // between two points of the curve, or over a point, it may stand still for a while
          if (lifeMs === blockLifeMsMax || lifeMs > durationMs || typeof releaseCurve !== 'string') return;
          const fromMs = ((durationMs - lifeMs) * permille) / 1000;
          const at = (atMs: number) => releasedPackets(releaseCurve, atMs, durationMs, packetCount);
          expect(at(fromMs + lifeMs) - at(fromMs)).toBeGreaterThanOrEqual(16 * blockSize - 1);
        },
      ),
    );
  });

  it('goes by the slowest rise, not by where the curve stands still or steps', () => {
    const of = (releaseCurve: [number, number][]) =>
      blockLifeMsOf({ packetCount: 60_000, blockSize: 64, releaseCurve }, 60_000);
    const [start, end]: [number, number][] = [
      [0, 0],
      [1, 1],
    ];
    expect(of([start!, end!])).toBe(blockLifeMsMin);
    expect(of([start!, [0, 1], end!])).toBe(blockLifeMsMin);
    // 5 % in half of the time: a hundred packets a second, and 16 × 64 of them
    expect(of([start!, [0.1, 0], [0.1, 0.9], [0.5, 0.9], [0.5, 0.95], end!])).toBe(10_240);
    expect(of([start!, [0.5, 0.99], end!])).toBe(51_200);
    expect(of([start!, [0.5, 0.999], end!])).toBe(blockLifeMsMax);
  });
});

describe('runs of a pool', () => {
  it('hold all packets, 256 in each but the last', () => {
    fc.assert(
      fc.property(anyCount, fc.nat(packetCountMax), (packetCount, anyNo) => {
        const count = Math.ceil(packetCount / runPacketsMax);
        expect((count - 1) * runPacketsMax + packetsInRun({ packetCount }, count - 1)).toBe(packetCount);
        if (count > 1) expect(packetsInRun({ packetCount }, anyNo % (count - 1))).toBe(runPacketsMax);
        expect(() => packetsInRun({ packetCount }, count)).toThrow(RangeError);
        expect(() => packetsInRun({ packetCount }, -1)).toThrow(RangeError);
      }),
    );
  });

  it('a block of any size lies in one run, and packets follow each other through blocks and runs alike', () => {
    fc.assert(
      fc.property(anyCount, anySize, fc.nat(packetCountMax), (packetCount, blockSize, anyNo) => {
        const plan = { poolId: 1, packetCount, blockSize };
        const blockNo = anyNo % blockCountOf(plan);
        const last = packetsInBlock(plan, blockNo) - 1;
        const [first, end] = [0, last].map((index) => runPositionOf(plan, { poolId: 1, blockNo, index }));
        expect(end).toEqual({ runNo: first!.runNo, position: first!.position + last });
        expect(end!.position).toBeLessThan(packetsInRun(plan, end!.runNo));
        expect(first!.runNo * runPacketsMax + first!.position).toBe(blockNo * blockSize);
      }),
    );
  });

  it('a packet that the pool does not have stands nowhere', () => {
    expect(() => runPositionOf(goodPlan, { poolId: 1, blockNo: 38, index: 0 })).toThrow(RangeError);
    expect(() => runPositionOf(goodPlan, { poolId: 1, blockNo: 37, index: 4 })).toThrow(RangeError);
    expect(() => runPositionOf(goodPlan, { poolId: 2, blockNo: 0, index: 0 })).toThrow(RangeError);
  });
});

describe('budgets of runs and packets', () => {
  it('the runs of a pool share its budget to the fen', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), anyBudget, (packetCount, budgetFen) => {
        let sum = 0n;
        for (let no = 0; no * runPacketsMax < packetCount; no++)
          sum += BigInt(runBudgetFen({ packetCount, budgetFen }, no));
        expect(sum).toBe(BigInt(budgetFen));
      }),
    );
  });

  it('a run gets its packets’ part of the budget, rounded by less than one fen, in the biggest pool too', () => {
    fc.assert(
      fc.property(anyCount, anyBudget, fc.nat(packetCountMax), (packetCount, budgetFen, anyNo) => {
        const runNo = anyNo % Math.ceil(packetCount / runPacketsMax);
        const packets = BigInt(packetsInRun({ packetCount }, runNo));
        const part = BigInt(runBudgetFen({ packetCount, budgetFen }, runNo)) * BigInt(packetCount);
        const error = part - BigInt(budgetFen) * packets;
        expect(error < BigInt(packetCount) && error > -BigInt(packetCount)).toBe(true);
      }),
    );
  });

  it('the packets of a pool share its share budget to the fen, each with a fen per portion at least', () => {
    const anyShares = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 100 }), fc.nat(1_000_000));
    fc.assert(
      fc.property(anyShares, anySize, ([packetCount, sharePortions, extraFen], size) => {
        const shareBudgetFen = packetCount * sharePortions + extraFen;
        const plan = { ...goodPlan, packetCount, blockSize: size, sharePortions, shareBudgetFen };
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

describe('faults of a pool', () => {
  it('a plan that can be met has none, at its tightest either', () => {
    expect(findPoolFaults(goodPlan)).toEqual([]);
    for (const budgetFen of [300, 300_000]) expect(findPoolFaults({ ...goodPlan, budgetFen })).toEqual([]);
    expect(findPoolFaults({ ...goodPlan, sharePortions: 0, shareBudgetFen: 0 })).toEqual([]);
    expect(findPoolFaults({ ...goodPlan, shareBudgetFen: 1500 })).toEqual([]);
  });

  it('each field out of its range is named', () => {
    const maxima = {
      packetCount: packetCountMax,
      budgetFen: fenMax,
      minFen: packetFenMax,
      maxFen: packetFenMax,
      sharePortions: sharePortionsMax,
      shareBudgetFen: fenMax,
    };
    for (const [field, max] of Object.entries(maxima)) {
      for (const bad of [-1, 0.5, max + 1, Number.NaN, '1']) {
        const faults = findPoolFaults({ ...goodPlan, [field]: bad });
        expect(faults.filter((fault) => fault.startsWith(`${field}: `))).toHaveLength(1);
      }
    }
    for (const field of ['packetCount', 'budgetFen', 'minFen', 'maxFen']) {
      expect(findPoolFaults({ ...goodPlan, [field]: 0 })[0]).toMatch(new RegExp(`^${field}: `));
    }
  });

  it('a budget outside count × [min, max] is named by one fen', () => {
    expect(findPoolFaults({ ...goodPlan, budgetFen: 299 })).toEqual([expect.stringMatching(/^budgetFen: .*below/)]);
    expect(findPoolFaults({ ...goodPlan, budgetFen: 300_001 })).toEqual([expect.stringMatching(/^budgetFen: .*above/)]);
    expect(findPoolFaults({ ...goodPlan, minFen: 2, maxFen: 1 })).toEqual([expect.stringMatching(/^minFen: .*above/)]);
  });

  it('shares need a fen per portion, no more than a packet may hold, and nothing where there are no portions', () => {
    expect(findPoolFaults({ ...goodPlan, shareBudgetFen: 1499 })).toEqual([expect.stringMatching(/^shareBudgetFen: /)]);
    expect(findPoolFaults({ ...goodPlan, sharePortions: 0 })).toEqual([expect.stringMatching(/^shareBudgetFen: /)]);
    const excess = { ...goodPlan, shareBudgetFen: 300 * packetFenMax + 1 };
    expect(findPoolFaults(excess)).toEqual([expect.stringMatching(/^shareBudgetFen: .*above/)]);
  });

  it('faults that do not depend on each other are named together', () => {
    const faults = findPoolFaults({ ...goodPlan, budgetFen: 299, sharePortions: -1 });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(['sharePortions', 'budgetFen']);
  });
});
