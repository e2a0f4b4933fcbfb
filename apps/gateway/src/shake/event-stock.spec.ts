import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskFromGranted } from '#libs/domain';
import { testBlock, testEvent } from '../testing/test-event.ts';
import { EventStock } from './event-stock.ts';

const { pools } = testEvent();
const [first, second, third] = pools.map((pool) => pool.poolId) as [number, number, number];
const nobody = (): boolean => false;
const nowMs = Date.now();
/** So few shake that each pool's chance is 1, or so many that none is. */
const stockOf = (perSecond = 0): EventStock => new EventStock(pools, { perSecondWithout: () => perSecond });

describe('the stock of an event', () => {
  it('issues the indexes of a mask in order, each once (invariant 2)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 63 })), (granted) => {
        const stock = stockOf();
        stock.add([testBlock(first, { mask: Buffer.from(maskFromGranted(64, granted)).toString('base64url') })], nowMs);
        const issued: number[] = [];
        while (stock.left > 0) {
          stock.tune(nowMs);
          issued.push(stock.issue(0, nobody, nowMs)!.index);
        }
        const expected = Array.from({ length: 64 }, (_, index) => index).filter((index) => !granted.includes(index));
        expect(issued).toEqual(expected);
        expect(stock.issue(0, nobody, nowMs)).toBeUndefined();
      }),
    );
  });

  it('issues nothing of a block from its issueUntilMs on, and forgets it', () => {
    const stock = stockOf();
    stock.add([testBlock(first, { issueUntilMs: nowMs + 50, size: 64 })], nowMs);
    expect(stock.issue(0, nobody, nowMs + 49)).toMatchObject({ poolId: first, index: 0 });
    expect(stock.issue(0, nobody, nowMs + 50)).toBeUndefined();
    expect([stock.left, stock.blockCount]).toEqual([0, 0]);
  });

  it('issues the block that ends first before the others', () => {
    const stock = stockOf();
    const later = testBlock(first, { blockNo: 1, issueUntilMs: nowMs + 2000, size: 1 });
    const sooner = testBlock(first, { blockNo: 2, issueUntilMs: nowMs + 1000, size: 1, epoch: 3 });
    stock.add([later, sooner], nowMs);
    expect(stock.issue(0, nobody, nowMs)).toEqual({ poolId: first, sponsorNo: 0, blockNo: 2, epoch: 3, index: 0 });
    stock.tune(nowMs);
    expect(stock.issue(0, nobody, nowMs)).toMatchObject({ blockNo: 1 });
  });

  it('gives each pool a part of the luck as large as its chance, whatever the user holds of the others', () => {
    const stock = stockOf(1000);
    const blocks = [testBlock(first, { size: 200 }), testBlock(second, { size: 100 }), testBlock(third, { size: 50 })];
    stock.add(blocks, nowMs);
    expect(stock.chance).toBeCloseTo(0.35, 5);
    const poolsOf = (holdsSponsor: (sponsorNo: number) => boolean) =>
      [0.0, 0.04, 0.06, 0.14, 0.16, 0.34].map((luck) => stock.issue(luck, holdsSponsor, nowMs)?.poolId);
    expect(poolsOf(nobody)).toEqual([first, first, first, first, first, third]);
    expect(poolsOf((sponsorNo) => sponsorNo === 0)).toEqual([second, second, second, third, undefined, undefined]);
    expect(poolsOf(() => true)).toEqual([undefined, undefined, undefined, undefined, undefined, undefined]);
    expect(stock.issue(0.36, nobody, nowMs)).toBeUndefined();
  });

  it('wins with every luck when there is more than enough, of each pool', () => {
    const stock = stockOf(1);
    stock.add([testBlock(first), testBlock(second), testBlock(third)], nowMs);
    const chosen = [0, 0.3, 0.34, 0.6, 0.67, 0.999].map((luck) => stock.issue(luck, nobody, nowMs)?.poolId);
    expect(chosen).toEqual([first, first, second, second, third, third]);
  });

  it('spends a budget per tick: a crowd cannot drain it before the next look', () => {
    const stock = stockOf();
    stock.add([testBlock(first, { size: 100 })], nowMs);
    let issued = 0;
    while (stock.issue(0, nobody, nowMs) !== undefined) issued += 1;
    expect(issued).toBe(20);
    stock.tune(nowMs);
    expect(stock.issue(0, nobody, nowMs)).toBeDefined();
  });

  it('uses a block up before it ends', () => {
    const stock = stockOf(10_000);
    stock.add([testBlock(first, { size: 100, issueUntilMs: nowMs + 500 })], nowMs);
    expect(stock.chance).toBeCloseTo(100 / 0.5 / 10_000, 5);
    stock.tune(nowMs + 450);
    expect(stock.chance).toBeCloseTo(100 / 0.1 / 10_000, 5);
  });

  it('ignores blocks of pools it does not know, and takes new pools without losing what is in hand', () => {
    const stock = stockOf();
    stock.add([testBlock(first, { size: 2 }), testBlock(999, { size: 2 })], nowMs);
    stock.update([...pools, { ...pools[0]!, poolId: 999 }]);
    stock.add([testBlock(999, { size: 2 })], nowMs);
    expect([stock.left, stock.leftOf(first), stock.leftOf(999)]).toEqual([4, 2, 2]);
  });
});
