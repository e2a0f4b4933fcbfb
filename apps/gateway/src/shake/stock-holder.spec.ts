import { describe, expect, it } from 'vitest';
import type { StockedBlock } from '#libs/contracts';
import { createLogger } from '#libs/runtime';
import { StoreTime } from '../process/store-time.ts';
import { testBlock } from '../testing/test-event.ts';
import type { PoolWant } from './shake-event.ts';
import { StockHolder, type Taken } from './stock-holder.ts';

function holderOf(take: (wanted: PoolWant[]) => Promise<Taken>, clockMs: number | undefined = 1000, wants = 2) {
  const got: StockedBlock[] = [];
  const wanted = Array.from({ length: wants }, (_, i) => ({ poolId: i + 1, blocksMax: 2 }));
  const holder = new StockHolder({
    hungry: { wanted: () => wanted, add: (blocks) => got.push(...blocks) },
    time: new StoreTime({ nowMs: () => clockMs }),
    take,
    poolsPerTakeMax: 3,
    logger: createLogger('test', 'silent'),
  });
  return { holder, got };
}

describe('the stock holder', () => {
  it('asks once for everything that is low; what is more than a call may name takes turns', async () => {
    const calls: PoolWant[][] = [];
    const block = testBlock(2);
    const { holder, got } = holderOf(
      async (wanted) => {
        calls.push(wanted);
        return { status: 'ok', blocks: new Map([[2, [block]]]) };
      },
      1000,
      5,
    );
    expect(await holder.takeOnce()).toBe(1);
    expect(got).toEqual([block]);
    await holder.takeOnce();
    const asked = calls.map((wanted) => wanted.map(({ poolId }) => poolId));
    expect(asked).toEqual([
      [1, 2, 3],
      [4, 5, 1],
    ]);
  });

  it('takes nothing without a fresh clock or when nothing is wanted', async () => {
    const take = async (): Promise<Taken> => {
      throw new Error('must not be called');
    };
    const withoutClock = new StockHolder({
      hungry: { wanted: () => [{ poolId: 1, blocksMax: 1 }], add: () => undefined },
      time: new StoreTime({ nowMs: () => undefined }),
      take,
      poolsPerTakeMax: 3,
      logger: createLogger('test', 'silent'),
    });
    expect(await withoutClock.takeOnce()).toBeUndefined();
    expect(await holderOf(take, 1000, 0).holder.takeOnce()).toBeUndefined();
  });

  it('goes on after a store that changed or is away (invariant 10)', async () => {
    const outcomes: (() => Promise<Taken>)[] = [
      async () => ({ status: 'store_changed' }),
      async () => {
        throw new Error('away');
      },
      async () => ({ status: 'ok', blocks: new Map([[1, [testBlock(1)]]]) }),
    ];
    const { holder, got } = holderOf(() => outcomes.shift()!());
    expect([await holder.takeOnce(), await holder.takeOnce(), await holder.takeOnce()]).toEqual([0, 0, 1]);
    expect(got).toHaveLength(1);
  });
});
