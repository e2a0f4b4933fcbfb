import { createCipheriv, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derivePortions, deriveRunAmounts } from './amounts.ts';
import { fenMax } from './money.ts';
import { packetIdOf, poolIdMax } from './packet-id.ts';
import {
  blockCountOf,
  findPoolFaults,
  type PoolPlan,
  packetCountMax,
  packetFenMax,
  packetShareBudgetFen,
  packetsInBlock,
  packetsInRun,
  runBudgetFen,
  runPacketsMax,
  runPositionOf,
} from './pool-plan.ts';

const secret = Buffer.alloc(32, 0x42);
const anySecret = fc.uint8Array({ minLength: 32, maxLength: 64 }).map((bytes) => Buffer.from(bytes));

const anyCount = fc.oneof(
  fc.constantFrom(1, 2, 33, 300, packetCountMax),
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 1, max: packetCountMax }),
);

/** Any valid plan: every budget between count × min and count × max, both ends often, up to 9e15 fen. */
const anyPlan: fc.Arbitrary<PoolPlan> = anyCount.chain((packetCount) => {
  const richestMin = Math.min(packetFenMax, Math.floor(fenMax / packetCount));
  const anyMin = fc.oneof(fc.integer({ min: 1, max: richestMin }), fc.constantFrom(1, richestMin));
  return anyMin.chain((minFen) => {
    const anyMax = fc.oneof(fc.integer({ min: minFen, max: packetFenMax }), fc.constantFrom(minFen, packetFenMax));
    return anyMax.chain((maxFen) => {
      const [least, most] = [packetCount * minFen, Math.min(packetCount * maxFen, fenMax)];
      const anyBudget = fc.oneof(
        fc.maxSafeNat().map((n) => least + (n % (most - least + 1))),
        fc.constantFrom(least, most),
      );
      const anyBlockSize = fc.nat(8).map((power) => 2 ** power);
      const parts = fc.tuple(anyBudget, anyShares(packetCount), fc.nat(poolIdMax), anyBlockSize);
      return parts.map(([budgetFen, shares, poolId, blockSize]) => ({
        ...{ poolId, packetCount, blockSize, budgetFen, minFen, maxFen },
        ...shares,
      }));
    });
  });
});

function anyShares(packetCount: number): fc.Arbitrary<Pick<PoolPlan, 'sharePortions' | 'shareBudgetFen'>> {
  const most = Math.min(packetCount * packetFenMax, fenMax);
  const shared = fc
    .tuple(fc.integer({ min: 1, max: 100 }), fc.maxSafeNat(), fc.boolean())
    .map(([sharePortions, n, tight]) => {
      const least = packetCount * sharePortions;
      return { sharePortions, shareBudgetFen: tight ? least : least + (n % (most - least + 1)) };
    });
  return fc.oneof(fc.constant({ sharePortions: 0, shareBudgetFen: 0 }), shared);
}

const sumOf = (amounts: readonly number[]): bigint => amounts.reduce((sum, amount) => sum + BigInt(amount), 0n);
const runCountOf = ({ packetCount }: PoolPlan): number => Math.ceil(packetCount / runPacketsMax);
const anyRunOf = (plan: PoolPlan, seed: number): number => seed % runCountOf(plan);
const anyBlockOf = (plan: PoolPlan, seed: number): number => seed % blockCountOf(plan);

function expectWithin(amounts: readonly number[], min: number, max: number): void {
  for (const amount of amounts) expect(Number.isInteger(amount) && amount >= min && amount <= max).toBe(true);
}

describe('amounts of a run', () => {
  it('the plans that the tests draw from are plans without faults', () => {
    fc.assert(fc.property(anyPlan, (plan) => findPoolFaults(plan).length === 0));
  });

  it('sum to the run’s budget to the fen and lie within [min, max], for any valid plan, secret and run', () => {
    fc.assert(
      fc.property(anyPlan, anySecret, fc.nat(), (plan, anySecretBytes, seed) => {
        const runNo = anyRunOf(plan, seed);
        const amounts = deriveRunAmounts(anySecretBytes, plan, runNo);
        expect(amounts).toHaveLength(packetsInRun(plan, runNo));
        expect(sumOf(amounts)).toBe(BigInt(runBudgetFen(plan, runNo)));
        expectWithin(amounts, plan.minFen, plan.maxFen);
      }),
      { numRuns: 1000 },
    );
  });

  it('of all runs of a pool sum to the pool’s budget to the fen', () => {
    const smallPlan = anyPlan.filter(({ packetCount }) => packetCount <= 5000);
    fc.assert(
      fc.property(smallPlan, (plan) => {
        const runs = Array.from({ length: runCountOf(plan) }, (_, no) => deriveRunAmounts(secret, plan, no));
        expect(sumOf(runs.flat())).toBe(BigInt(plan.budgetFen));
      }),
      { numRuns: 50 },
    );
  });

  it('are those of the pool’s packets one by one, whatever the size of its blocks', () => {
    // Proves that a block size decides which id means which packet, and no amount.
    const smallPlan = anyPlan.filter(({ packetCount }) => packetCount <= 2000);
    fc.assert(
      fc.property(smallPlan, (plan) => {
        const inOrder = Array.from({ length: runCountOf(plan) }, (_, no) => deriveRunAmounts(secret, plan, no)).flat();
        const byId = Array.from({ length: blockCountOf(plan) }, (_, blockNo) =>
          Array.from({ length: packetsInBlock(plan, blockNo) }, (_, index) => {
            const { runNo, position } = runPositionOf(plan, { poolId: plan.poolId, blockNo, index });
            return inOrder[runNo * runPacketsMax + position]!;
          }),
        ).flat();
        expect(byId).toEqual(inOrder);
      }),
      { numRuns: 50 },
    );
  });

  it('vary in blocks of one packet as in others', () => {
    // Proves that a slow pool is no dull one: cut by blocks, each of these would hold the mean to the fen.
    const plan = { ...lotteryPlan, blockSize: 1, packetCount: 1000, budgetFen: 200_000 };
    const amounts = [0, 1, 2, 3].flatMap((runNo) => deriveRunAmounts(secret, plan, runNo));
    expect(new Set(amounts).size).toBeGreaterThan(100);
    expect(Math.max(...amounts)).toBeGreaterThan(350);
  });

  it('have no choice in a pool of one packet, or with a budget of exactly count × min or count × max', () => {
    const plan = { ...lotteryPlan, packetCount: 1, budgetFen: 777, minFen: 1, maxFen: 1000 };
    expect(deriveRunAmounts(secret, plan, 0)).toEqual([777]);
    const tight = { ...lotteryPlan, packetCount: 10_000, minFen: 3, maxFen: 9 };
    expect(new Set(deriveRunAmounts(secret, { ...tight, budgetFen: 30_000 }, 5))).toEqual(new Set([3]));
    expect(new Set(deriveRunAmounts(secret, { ...tight, budgetFen: 90_000 }, 5))).toEqual(new Set([9]));
  });

  it('depend on secret, pool and run, and on nothing else: asked again they are the same', () => {
    const amounts = deriveRunAmounts(secret, lotteryPlan, 1);
    expect(deriveRunAmounts(Buffer.from(secret), { ...lotteryPlan, blockSize: 2 }, 1)).toEqual(amounts);
    expect(deriveRunAmounts(Buffer.alloc(32, 0x43), lotteryPlan, 1)).not.toEqual(amounts);
    expect(deriveRunAmounts(secret, { ...lotteryPlan, poolId: 2 }, 1)).not.toEqual(amounts);
    expect(deriveRunAmounts(secret, lotteryPlan, 2)).not.toEqual(amounts);
  });

  it('refuse a short secret and a run that the pool does not have', () => {
    expect(() => deriveRunAmounts(Buffer.alloc(31), lotteryPlan, 0)).toThrow(RangeError);
    expect(() => deriveRunAmounts(secret, lotteryPlan, 4000)).toThrow(RangeError);
  });
});

describe('portions of a share', () => {
  it('sum to the packet’s share budget to the fen, each at least one fen, for any packet of any valid plan', () => {
    fc.assert(
      fc.property(anyPlan, anySecret, fc.nat(), fc.nat(255), (plan, anySecretBytes, seed, anyIndex) => {
        const blockNo = anyBlockOf(plan, seed);
        const ref = { poolId: plan.poolId, blockNo, index: anyIndex % packetsInBlock(plan, blockNo) };
        const portions = derivePortions(anySecretBytes, plan, packetIdOf(ref));
        expect(portions).toHaveLength(plan.sharePortions);
        expect(sumOf(portions)).toBe(BigInt(packetShareBudgetFen(plan, ref)));
        expectWithin(portions, 1, packetFenMax);
      }),
      { numRuns: 500 },
    );
  });

  it('differ from packet to packet and refuse a packet of another pool', () => {
    const plan = { ...lotteryPlan, sharePortions: 10, shareBudgetFen: lotteryPlan.packetCount * 1000 };
    const of = (index: number): number[] => derivePortions(secret, plan, packetIdOf({ poolId: 1, blockNo: 0, index }));
    expect(of(0)).not.toEqual(of(1));
    expect(() => derivePortions(secret, plan, packetIdOf({ poolId: 2, blockNo: 0, index: 0 }))).toThrow(RangeError);
  });
});

/** 4 000 runs of 256 packets at 2 yuan on average, as at a gala. */
const lotteryPlan: PoolPlan = {
  poolId: 1,
  packetCount: 1_024_000,
  blockSize: 256,
  budgetFen: 204_800_000,
  minFen: 1,
  maxFen: 20_000,
  sharePortions: 0,
  shareBudgetFen: 0,
};

// The statistics are of a fixed secret and plan: they come out the same on every run.
describe('positions are exchangeable', () => {
  const size = runPacketsMax;
  const runs = Array.from({ length: runCountOf(lotteryPlan) }, (_, no) => deriveRunAmounts(secret, lotteryPlan, no));

  it('the first and the last position of a run have the same mean and spread', () => {
    const at = (index: number): number[] => runs.map((amounts) => amounts[index]!);
    const mean = (list: number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
    const variance = (list: number[]): number => mean(list.map((x) => (x - mean(list)) ** 2));
    const [first, last] = [at(0), at(size - 1)];
    // Without the shuffle the last position's variance is a third or more above the first one's; the ratio of
    // 4 000 equal ones stays within 0.85 and 1.15 but for one run in some thousands, the means within 4 standard errors.
    expect(variance(last) / variance(first)).toBeGreaterThan(0.85);
    expect(variance(last) / variance(first)).toBeLessThan(1.15);
    expect(Math.abs(mean(first) - mean(last))).toBeLessThan(4 * Math.sqrt((2 * variance(first)) / runs.length));
  });

  it('the biggest and the smallest amount of a run are at every position alike (chi-square)', () => {
    // 32 cells of 8 positions: 61.1 is the 99.9 % quantile for 31 degrees of freedom
    const chiSquareMax = 61.1;
    for (const extreme of [Math.max, Math.min]) {
      const counts = new Array<number>(32).fill(0);
      // amounts repeat, so one of the extreme ones is taken: the first from a position that the run number sets
      for (const [no, amounts] of runs.entries()) {
        const turned = [...amounts.slice(no % size), ...amounts.slice(0, no % size)];
        const position = (turned.indexOf(extreme(...amounts)) + no) % size;
        counts[Math.floor(position / 8)]! += 1;
      }
      const expected = runs.length / counts.length;
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      expect(chiSquare).toBeLessThan(chiSquareMax);
    }
  });
});

describe('the published algorithm', () => {
  it('written anew from the normative text, with integers of any size, gives the same amounts and portions', () => {
    fc.assert(
      fc.property(anyPlan, anySecret, fc.nat(), fc.nat(255), (plan, anySecretBytes, seed, anyIndex) => {
        const blockNo = anyBlockOf(plan, seed);
        const ref = { poolId: plan.poolId, blockNo, index: anyIndex % packetsInBlock(plan, blockNo) };
        const packetId = packetIdOf(ref);
        const { runNo, position } = runPositionOf(plan, ref);
        expect([runNo, position].map(BigInt)).toEqual(publishedPosition(plan, packetId));
        expect(deriveRunAmounts(anySecretBytes, plan, runNo).map(BigInt)).toEqual(
          publishedAmounts(anySecretBytes, plan, runNo),
        );
        expect(derivePortions(anySecretBytes, plan, packetId).map(BigInt)).toEqual(
          publishedPortions(anySecretBytes, plan, packetId),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('rejects a word from the uneven end of its range: this run, found by search, meets one', () => {
    const plan = { ...lotteryPlan, poolId: 2, packetCount: 9_000_000, budgetFen: fenMax, maxFen: packetFenMax };
    const published = publishedAmounts(secret, plan, 11_147);
    expect(deriveRunAmounts(secret, plan, 11_147).map(BigInt)).toEqual(published);
    expect(publishedAmounts(secret, plan, 11_147, () => false)).not.toEqual(published);
  });

  it('stays what version 1 is: amounts of an event that was published never change', () => {
    const plan = {
      ...lotteryPlan,
      packetCount: 264,
      blockSize: 8,
      budgetFen: 26_400,
      maxFen: 500,
      sharePortions: 5,
      shareBudgetFen: 26_417,
    };
    const amounts = [0, 1].map((runNo) => deriveRunAmounts(secret, plan, runNo).slice(0, 8));
    const portions = [0, 7].map((index) => derivePortions(secret, plan, packetIdOf({ poolId: 1, blockNo: 32, index })));
    // computed by a Python program with OpenSSL's AES, from the normative text
    expect(amounts).toEqual([
      [89, 139, 76, 43, 86, 56, 78, 26],
      [204, 40, 50, 156, 241, 48, 35, 26],
    ]);
    expect(portions).toEqual([
      [25, 10, 12, 24, 29],
      [28, 53, 1, 15, 4],
    ]);
  });
});

function publishedAmounts(key: Buffer, plan: PoolPlan, runNo: number, isRejected = isUneven): bigint[] {
  const [N, B] = [BigInt(plan.packetCount), BigInt(plan.budgetFen)];
  const s = BigInt(runNo) * 256n;
  const e = s + 256n < N ? s + 256n : N;
  const seed = `hongbao/v1/amounts\0`;
  const tail = Buffer.from(plan.poolId.toString(16).padStart(8, '0') + runNo.toString(16).padStart(8, '0'), 'hex');
  const draw = publishedDraw(createHmac('sha256', key).update(seed).update(tail).digest(), isRejected);
  return publishedSplit(draw, (B * e) / N - (B * s) / N, e - s, BigInt(plan.minFen), BigInt(plan.maxFen));
}

function publishedPortions(key: Buffer, plan: PoolPlan, packetId: bigint): bigint[] {
  const [N, S] = [BigInt(plan.packetCount), BigInt(plan.shareBudgetFen)];
  const k = publishedPacketNo(plan, packetId);
  const tail = Buffer.from(packetId.toString(16).padStart(16, '0'), 'hex');
  const draw = publishedDraw(createHmac('sha256', key).update('hongbao/v1/portions\0').update(tail).digest());
  const budget = (S * (k + 1n)) / N - (S * k) / N;
  return plan.sharePortions === 0 ? [] : publishedSplit(draw, budget, BigInt(plan.sharePortions), 1n, budget);
}

function publishedPacketNo(plan: PoolPlan, packetId: bigint): bigint {
  return ((packetId >> 8n) & 0x7fff_ffffn) * BigInt(plan.blockSize) + (packetId & 255n);
}

function publishedPosition(plan: PoolPlan, packetId: bigint): bigint[] {
  const k = publishedPacketNo(plan, packetId);
  return [k / 256n, k % 256n];
}

function isUneven(v: bigint, n: bigint): boolean {
  return v >= 2n ** 53n - (2n ** 53n % n);
}

function publishedDraw(K: Buffer, isRejected = isUneven): (n: bigint) => bigint {
  const cipher = createCipheriv('aes-256-ctr', K, Buffer.alloc(16));
  return (n) => {
    while (n > 1n) {
      const v = cipher.update(Buffer.alloc(8)).readBigUInt64BE() >> 11n;
      if (!isRejected(v, n)) return v % n;
    }
    return 0n;
  };
}

function publishedSplit(draw: (n: bigint) => bigint, R: bigint, m: bigint, min: bigint, max: bigint): bigint[] {
  const positions: bigint[] = [];
  let [rest, left] = [R, m];
  for (; left > 1n; left--) {
    const nearMin = rest - left * min <= left * max - rest;
    const low = nearMin ? min : (2n * rest + left - 1n) / left - max;
    const high = nearMin ? (2n * rest) / left - min : max;
    const x = low + draw(high - low + 1n);
    positions.push(x);
    rest -= x;
  }
  positions.push(rest);
  for (let i = positions.length - 1; i >= 1; i--) {
    const j = Number(draw(BigInt(i + 1)));
    [positions[i], positions[j]] = [positions[j]!, positions[i]!];
  }
  return positions;
}
