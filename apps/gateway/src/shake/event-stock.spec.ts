import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StockedBlock } from '#libs/contracts';
import { maskFromGranted } from '#libs/domain';
import { testBlock, testEvent } from '../testing/test-event.ts';
import { EventStock } from './event-stock.ts';
import { periodOf, ShakeRate } from './shake-rate.ts';

const startsAtMs = 1_800_000_000_000;
const nowMs = startsAtMs + 60_000;
const event = testEvent({ startsAtMs });
const [first, second, third] = event.pools.map((pool) => pool.poolId) as [number, number, number];
const nobody = (): boolean => false;
const alice = { low: 1, high: 2 };
const blockOf = (poolId: number, size: number, fields: Partial<StockedBlock> = {}) =>
  testBlock(poolId, { size, issueUntilMs: nowMs + 60_000, ...fields });

/**
 * A stock among four gateways with `perSecond` shakes, of which this one has a quarter, and with so much on each pool's list above
 * what ought to lie ahead that `excess / 3` a second should go out beside the curve's 2.3.
 */
function stockOf({ perSecond = 8000, listed = 2_000_000, blocks = [] as readonly StockedBlock[] } = {}) {
  const rate = new ShakeRate();
  const stock = new EventStock(event, rate);
  stock.tune(nowMs);
  const ended = periodOf(nowMs) - 1;
  const pools = [first, second, third];
  for (let period = ended - 4; period <= ended; period++) {
    const totals = { shakes: perSecond / 2, left: 0, listed };
    stock.take(
      {
        answer: {
          status: 'ok',
          storeMs: nowMs,
          blocks: new Map(),
          listed: new Map(pools.map((poolId) => [poolId, listed])),
          totals: { period, gateways: 4, pools: new Map(pools.map((poolId) => [poolId, totals])) },
        },
        reported: { period, shakes: new Map(pools.map((poolId) => [poolId, perSecond / 8])) },
        gateways: 4,
      },
      nowMs,
    );
  }
  stock.add(blocks, nowMs);
  for (let tick = 0; tick < 10; tick++) stock.tune(nowMs);
  return stock;
}

describe('the stock of an event', () => {
  it('issues the indexes of a mask in order, each once (invariant 2)', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 63 })), (granted) => {
        const expected = Array.from({ length: 64 }, (_, index) => index).filter((index) => !granted.includes(index));
        const mask = Buffer.from(maskFromGranted(64, granted)).toString('base64url');
        const stock = stockOf({ blocks: [blockOf(first, 64, { mask, count: expected.length })] });
        const issued: number[] = [];
        for (let tick = 0; stock.left > 0 && tick < 100; tick++) {
          stock.tune(nowMs);
          issued.push(stock.issue(0, nobody, nowMs)!.index);
        }
        expect(issued).toEqual(expected);
        expect(stock.issue(0, nobody, nowMs)).toBeUndefined();
      }),
      { numRuns: 20 },
    );
  });

  it('issues of a block that came in part what no other gateway got', () => {
    const stock = stockOf({ blocks: [blockOf(first, 64, { skip: 10, count: 3 })] });
    expect([1, 2, 3, 4].map(() => stock.issue(0, nobody, nowMs)?.index)).toEqual([10, 11, 12, undefined]);
  });

  it('issues nothing of a block from its issueUntilMs on, and forgets it', () => {
    const stock = stockOf({ blocks: [blockOf(first, 64, { issueUntilMs: nowMs + 50 })] });
    expect(stock.issue(0, nobody, nowMs + 49)).toMatchObject({ poolId: first, index: 0 });
    expect(stock.issue(0, nobody, nowMs + 50)).toBeUndefined();
    expect([stock.left, stock.blockCount]).toEqual([0, 0]);
  });

  it('issues the block that ends first before the others', () => {
    const later = blockOf(first, 1, { blockNo: 1, issueUntilMs: nowMs + 20_000 });
    const sooner = blockOf(first, 1, { blockNo: 2, issueUntilMs: nowMs + 10_000, epoch: 3 });
    const stock = stockOf({ blocks: [later, sooner] });
    expect(stock.issue(0, nobody, nowMs)).toEqual({ poolId: first, sponsorNo: 0, blockNo: 2, epoch: 3, index: 0 });
    expect(stock.issue(0, nobody, nowMs)).toMatchObject({ blockNo: 1 });
  });

  it('gives each pool a part of the luck as large as its chance, the same whatever the user holds', () => {
    const stock = stockOf({
      perSecond: 8_000_000,
      blocks: [blockOf(first, 200), blockOf(second, 200), blockOf(third, 200)],
    });
    const chance = stock.chanceOf(first);
    expect(chance).toBeGreaterThan(0.05);
    expect(stock.chance).toBeCloseTo(3 * chance, 10);
    const poolsOf = (holdsSponsor: (sponsorNo: number) => boolean) =>
      [0, 0.9, 1.1, 1.9, 2.1, 2.9, 3.1].map((parts) => stock.issue(parts * chance, holdsSponsor, nowMs)?.poolId);
    expect(poolsOf(nobody)).toEqual([first, first, second, second, third, third, undefined]);
    // luck that won a packet here does not win another pool's elsewhere
    const others = [undefined, undefined, second, second, third, third, undefined];
    expect(poolsOf((sponsorNo) => sponsorNo === 0)).toEqual(others);
    expect(poolsOf(() => true)).toEqual(others.map(() => undefined));
  });

  it('wins with every luck when there is more than enough, of each pool', () => {
    const stock = stockOf({ blocks: [blockOf(first, 200), blockOf(second, 200), blockOf(third, 200)] });
    const chosen = [0, 0.3, 0.34, 0.6, 0.67, 0.999].map((luck) => stock.issue(luck, nobody, nowMs)?.poolId);
    expect(chosen).toEqual([first, first, second, second, third, third]);
  });

  it('keeps the next packet for a winner who met an empty hand, and for nobody else', () => {
    const stock = stockOf();
    expect(stock.issue(0, nobody, nowMs, alice)).toBeUndefined();
    stock.add([blockOf(first, 1)], nowMs);
    expect(stock.chance).toBe(1);
    expect(stock.issue(0, nobody, nowMs, { low: 5, high: 6 })).toBeUndefined();
    expect(stock.issue(0.9999, nobody, nowMs + 1000, alice)).toMatchObject({ poolId: first, index: 0 });
    stock.add([blockOf(first, 1, { blockNo: 3 })], nowMs);
    // the other one was next
    expect(stock.issue(0.9999, nobody, nowMs + 2000, alice)).toBeUndefined();
    expect(stock.issue(0.9999, nobody, nowMs + 2000, { low: 5, high: 6 })).toMatchObject({ blockNo: 3 });
  });

  it('gives what was kept for one who does not come back to others', () => {
    const stock = stockOf({ listed: 2_000_000 });
    stock.issue(0, nobody, nowMs, alice);
    stock.add([blockOf(first, 1)], nowMs);
    stock.tune(nowMs + 12_000);
    expect(stock.issue(0, nobody, nowMs + 12_000)?.poolId ?? first).toBe(first);
    expect(stock.chance).not.toBe(1);
  });

  it('ignores blocks of pools it does not know, and takes new pools without losing what is in hand', () => {
    const stock = stockOf({ blocks: [blockOf(first, 2), blockOf(999, 2)] });
    stock.update({ ...event, pools: [...event.pools, { ...event.pools[0]!, poolId: 999 }] });
    stock.add([blockOf(999, 2)], nowMs);
    expect([stock.left, stock.leftOf(first), stock.leftOf(999)]).toEqual([4, 2, 2]);
  });
});
