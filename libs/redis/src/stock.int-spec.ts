import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StockedBlock } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { keys } from './keys.ts';
import { closeRedis, createRedis, type RedisClient, whenRedisReady } from './redis-client.ts';
import {
  dropStock,
  exchangePoolsMax,
  exchangeStock,
  isStamped,
  pushBlocks,
  readStore,
  resetStock,
  type StockVisit,
  tallyPeriodMs,
} from './stock.ts';
import { silentLog, startTestStore, type TestStore } from './testing.ts';

const inAnHourMs = Date.now() + 3_600_000;
const block = (poolId: number, blockNo: number, issueUntilMs = inAnHourMs): StockedBlock => ({
  poolId,
  blockNo,
  epoch: 1,
  issueUntilMs,
  mask: '_w',
  count: 8,
});
const blocks = (poolId: number, count: number) => Array.from({ length: count }, (_, blockNo) => block(poolId, blockNo));

describe('stock', () => {
  let redis: LocalServer;
  let store: TestStore;
  let client: RedisClient;

  beforeAll(async () => {
    store = await startTestStore();
    ({ redis, client } = store);
  });
  afterAll(() => store.stop());
  beforeEach(async () => {
    await client.flushall();
    await stampStore();
  });

  async function stampStore(): Promise<string> {
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId })).toMatchObject({ status: 'ok' });
    return runId;
  }

  async function push(pushed: readonly StockedBlock[], listBlocksMax = 100) {
    const { runId } = await readStore(client);
    return await pushBlocks(client, { expectedStamp: runId, blocks: pushed, listBlocksMax });
  }

  async function exchange(visit: Partial<StockVisit>, by = client) {
    const answer = await exchangeStock(by, { wanted: [], poolIds: [], ...visit });
    if (answer.status !== 'ok') throw new Error(answer.status);
    return answer;
  }

  const take = async (poolId: number, blocksMax: number, by = client) =>
    (await exchange({ wanted: [{ poolId, blocksMax }] }, by)).blocks.get(poolId)!.map(({ blockNo }) => blockNo);

  const listed = async (...poolIds: number[]) => [...(await exchange({ poolIds })).listed.values()];

  /** What the lists really hold. */
  async function counted(poolId: number): Promise<number> {
    const blocks = await client.lrange(keys.stock(poolId), 0, -1);
    return blocks.reduce((sum, text) => sum + (JSON.parse(text) as StockedBlock).count, 0);
  }

  it('gives the blocks of several pools, oldest first, each once', async () => {
    // Proves the order of issue and that a block which was taken is gone (invariant 2).
    expect(await push([...blocks(1, 3), ...blocks(2, 1)])).toEqual({
      status: 'ok',
      trimmed: 0,
      lengths: new Map([
        [1, 3],
        [2, 1],
      ]),
    });
    const wanted = [1, 2, 3].map((poolId) => ({ poolId, blocksMax: 2 }));
    expect(await exchange({ wanted })).toMatchObject({
      blocks: new Map([
        [1, [block(1, 0), block(1, 1)]],
        [2, [block(2, 0)]],
        [3, []],
      ]),
    });
    expect(await exchange({ wanted })).toMatchObject({
      blocks: new Map([
        [1, [block(1, 2)]],
        [2, []],
        [3, []],
      ]),
    });
  });

  it('splits a block for takers that want less, each index for one of them', async () => {
    // Proves invariant 2 for parts of blocks: what is given and what is left add up, in order, with nothing else changed.
    await push([{ ...block(1, 0), mask: '_wc', count: 11 }, block(1, 1)]);
    const part = async (indexesMax: number, blocksMax = 9) =>
      (await exchange({ wanted: [{ poolId: 1, blocksMax, indexesMax }] })).blocks.get(1)!;
    const whole = { ...block(1, 0), mask: '_wc' };
    expect(await part(0)).toEqual([]);
    expect(await part(4)).toEqual([{ ...whole, count: 4, skip: 0 }]);
    expect(await listed(1)).toEqual([15]);
    expect(await part(2, 0)).toEqual([]);
    expect(await part(5)).toEqual([{ ...whole, count: 5, skip: 4 }]);
    expect(await part(6)).toEqual([
      { ...whole, count: 2, skip: 9 },
      { ...block(1, 1), count: 4, skip: 0 },
    ]);
    expect([await listed(1), await counted(1)]).toEqual([[4], 4]);
    expect(await part(9)).toEqual([{ ...block(1, 1), count: 4, skip: 4 }]);
    expect([await listed(1), await client.exists(keys.stock(1))]).toEqual([[0], 0]);
  });

  it('gives a block to one of many takers only', async () => {
    // Proves invariant 2 for takers that race, each on a connection of its own.
    await push(blocks(1, 60));
    const takers = Array.from({ length: 8 }, (_, at) =>
      createRedis('cache', redis.url, { name: `taker-${at}`, log: silentLog }),
    );
    const taken = await Promise.all(
      takers.map(async (taker) => {
        await whenRedisReady(taker, 10_000);
        const mine: number[] = [];
        for (;;) {
          const got = await take(1, 3, taker);
          if (got.length === 0) return mine;
          mine.push(...got);
        }
      }),
    );
    await Promise.all(takers.map(closeRedis));
    expect(taken.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, at) => at));
  });

  it('tells the store time with what it gives', async () => {
    // Proves that the time is milliseconds of the store's clock, between two readings of it.
    const before = (await readStore(client)).storeMs;
    const { storeMs } = await exchange({});
    const after = (await readStore(client)).storeMs;
    expect(storeMs).toBeGreaterThanOrEqual(before);
    expect(storeMs).toBeLessThanOrEqual(after);
    expect(Math.abs(storeMs - Date.now())).toBeLessThan(3_600_000);
  });

  describe('the number of indexes on a list', () => {
    it('is exact after any sequence of pushes, takes, trims and drops, of blocks of any size', async () => {
      // Proves the count against what the lists hold, and that other pools' counts stay what they are.
      const step = fc.oneof(
        fc.record({
          push: fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 256 })), { minLength: 1, maxLength: 9 }),
        }),
        fc.record({ take: fc.tuple(fc.nat(2), fc.nat(4), fc.constant(undefined)) }),
        fc.record({ take: fc.tuple(fc.nat(2), fc.nat(4), fc.nat(300)) }),
        fc.record({ drop: fc.nat(2) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.integer({ min: 1, max: 8 }), async (steps, listMax) => {
          await client.flushall();
          await stampStore();
          for (const one of steps) {
            if ('push' in one)
              await push(
                one.push.map(([poolId, count]) => ({ ...block(poolId, 0), count })),
                listMax,
              );
            else if ('take' in one) {
              const [poolId, blocksMax, indexesMax] = one.take;
              await exchange({ wanted: [{ poolId, blocksMax, ...(indexesMax !== undefined && { indexesMax }) }] });
            } else await dropStock(client, [one.drop]);
          }
          expect(await listed(0, 1, 2)).toEqual(await Promise.all([0, 1, 2].map(counted)));
        }),
        { numRuns: 60 },
      );
    });

    it('is told as it is after the taking, of the wanted pools too', async () => {
      // Proves that a gateway learns what is left for others, whether it asked for the pool or took from it.
      await push([...blocks(1, 3), ...blocks(2, 2)]);
      const answer = await exchange({ wanted: [{ poolId: 1, blocksMax: 2 }], poolIds: [2, 1, 9] });
      expect(answer.listed).toEqual(
        new Map([
          [1, 8],
          [2, 16],
          [9, 0],
        ]),
      );
    });

    it('leaves out blocks whose time is past, which go off the list with the next push or visit', async () => {
      // Proves that what nobody may issue any more passes for stock no longer, and is not handed out.
      const { storeMs } = await readStore(client);
      await push([block(1, 0, storeMs - 1), block(1, 1, storeMs), block(1, 2), block(2, 0, storeMs - 1), block(2, 1)]);
      expect(await client.llen(keys.stock(1))).toBe(1);
      expect(await listed(1, 2, 3)).toEqual([8, 8, 0]);
      await client.del(keys.stock(3));
      await client.lpush(keys.stock(3), JSON.stringify(block(3, 0, storeMs - 1)), JSON.stringify(block(3, 1)));
      await client.hset(keys.stockListed, '3', 16);
      expect((await exchange({ poolIds: [3] })).listed).toEqual(new Map([[3, 8]]));
      expect(await take(3, 5)).toEqual([1]);
      expect(await listed(3)).toEqual([0]);
    });

    it('is gone with a reset', async () => {
      // Proves that a new store starts from nothing.
      await push(blocks(1, 3));
      await client.set(keys.stamp, 'another-server');
      await stampStore();
      expect(await listed(1)).toEqual([0]);
      expect(await client.exists(keys.stockListed)).toBe(0);
    });
  });

  describe('the tally', () => {
    const tallyOf = (period: number, ...pools: [poolId: number, shakes: number, left: number][]) => ({
      period,
      pools: pools.map(([poolId, shakes, left]) => ({ poolId, shakes, left })),
    });
    const periodNow = async () => Math.floor((await readStore(client)).storeMs / tallyPeriodMs);

    it('adds up the figures of all gateways and tells those of the period before', async () => {
      // Proves that every gateway sees the same totals, of the pools that it asks for, and of a period that is complete; what a visit
      // takes is in hand from then on, and no longer on the list.
      const period = await periodNow();
      await push([...blocks(1, 3), ...blocks(2, 2)]);
      await exchange({ tally: tallyOf(period, [1, 30, 5], [2, 7, 0]) });
      await exchange({ tally: tallyOf(period, [1, 12, 1]), wanted: [{ poolId: 1, blocksMax: 1 }] });
      await exchange({ tally: tallyOf(period) });
      const answer = await exchange({
        tally: tallyOf(period + 1, [1, 99, 99]),
        wanted: [{ poolId: 2, blocksMax: 1 }],
        poolIds: [1, 3],
      });
      expect(answer.totals).toEqual({
        period,
        gateways: 3,
        pools: new Map([
          [2, { shakes: 7, left: 0, listed: 0 }],
          [1, { shakes: 42, left: 6 + 8, listed: 16 }],
          [3, { shakes: 0, left: 0, listed: 0 }],
        ]),
      });
    });

    it('has no totals where nobody tallied, and expires', async () => {
      // Proves that a gateway without a tally to go by knows it, and that tallies do not pile up.
      const period = await periodNow();
      expect(await exchange({ poolIds: [1] })).not.toHaveProperty('totals');
      expect(await exchange({ tally: tallyOf(period, [1, 1, 1]), poolIds: [1] })).not.toHaveProperty('totals');
      const lifeMs = await client.pttl(keys.stockTally(period));
      expect(lifeMs).toBeGreaterThan(0);
      expect(lifeMs).toBeLessThanOrEqual(10_000);
    });

    it('is read without figures of one’s own: the last complete period by the store’s clock', async () => {
      // Proves that a gateway that begins knows of the others at once. The period may end between the two commands: then again.
      const read = async () => {
        await exchange({ tally: tallyOf((await periodNow()) - 2, [1, 4, 2]) });
        return (await exchange({ poolIds: [1] })).totals?.pools.get(1)?.shakes;
      };
      await expect.poll(read, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
    });

    it('is neither read nor added to while the store is another one', async () => {
      // Proves that figures of a store that was replaced do not mix with those of the new one.
      const period = await periodNow();
      await client.set(keys.stamp, 'another-server');
      const answer = await exchangeStock(client, { wanted: [], poolIds: [1], tally: tallyOf(period, [1, 1, 1]) });
      expect(answer).toEqual({ status: 'store_changed', storeMs: expect.any(Number) });
      expect(await client.exists(keys.stockTally(period))).toBe(0);
    });

    it('takes whole numbers only, and a bounded number of pools, and executes nothing of a visit that is refused', async () => {
      // Proves that a script never stops half-way, with blocks taken that nobody gets.
      const period = await periodNow();
      await push(blocks(1, 1));
      const wanted = [{ poolId: 1, blocksMax: 1 }];
      const bad: Partial<StockVisit>[] = [
        { wanted, tally: tallyOf(period, [1, 0.5, 1]) },
        { wanted, tally: tallyOf(period, [1, 1, -1]) },
        { wanted, tally: tallyOf(Number.NaN) },
        { wanted: [{ poolId: 1, blocksMax: 1.5 }] },
        { wanted: [...wanted, ...wanted] },
        { wanted, poolIds: Array.from({ length: exchangePoolsMax + 1 }, (_, poolId) => poolId) },
      ];
      for (const visit of bad) await expect(exchange(visit)).rejects.toThrow(RangeError);
      expect(await listed(1)).toEqual([8]);
      const most = Array.from({ length: exchangePoolsMax }, (_, poolId) => ({ poolId, blocksMax: 1 }));
      const answer = await exchange({
        wanted: most,
        tally: tallyOf(period, ...most.map(({ poolId }): [number, number, number] => [poolId, 1, 1])),
      });
      expect([answer.blocks.size, answer.blocks.get(1)!.length]).toEqual([exchangePoolsMax, 1]);
    });
  });

  it('drops the oldest blocks over the limit of a list', async () => {
    // Proves that the list is bounded; what was dropped comes back by time.
    await push(blocks(1, 3), 4);
    expect(await push([block(1, 3), block(1, 4), block(1, 5)], 4)).toEqual({
      status: 'ok',
      trimmed: 2,
      lengths: new Map([[1, 4]]),
    });
    expect(await listed(1, 2)).toEqual([32, 0]);
    expect(await take(1, 9)).toEqual([2, 3, 4, 5]);
  });

  it('neither gives nor takes blocks once the stamp is gone', async () => {
    // Proves that a flush counts as another store, although the server is the same (invariant 10).
    const { runId } = await readStore(client);
    await push(blocks(1, 3));
    await client.flushall();
    expect(isStamped(await readStore(client))).toBe(false);
    await expect(take(1, 1)).rejects.toThrow('store_changed');
    expect(await pushBlocks(client, { expectedStamp: runId, blocks: blocks(1, 1), listBlocksMax: 9 })).toEqual({
      status: 'store_changed',
    });
    expect(await client.exists(keys.stock(1))).toBe(0);
  });

  it('neither gives nor takes blocks on a server that came back as another', async () => {
    // Proves that a restart is seen although the append-only file brought stamp and stock back (invariant 10).
    const before = await readStore(client);
    await push(blocks(1, 3));
    await redis.kill();
    await redis.restart();
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    const after = await readStore(client);
    expect(after.stamp).toBe(before.runId);
    expect(after.runId).not.toBe(before.runId);
    expect(await client.llen(keys.stock(1))).toBe(3);
    await expect(take(1, 1)).rejects.toThrow('store_changed');
    for (const expectedStamp of [before.runId, after.runId]) {
      expect(await pushBlocks(client, { expectedStamp, blocks: blocks(1, 1), listBlocksMax: 9 })).toEqual({
        status: 'store_changed',
      });
    }
  });

  it('takes no blocks that were meant for another store', async () => {
    // Proves that a stocker which has not noticed a new store adds nothing to its stock, although that is stamped (invariant 2).
    expect(await pushBlocks(client, { expectedStamp: 'former', blocks: blocks(1, 1), listBlocksMax: 9 })).toEqual({
      status: 'store_changed',
    });
    expect(await listed(1)).toEqual([0]);
  });

  it('is thrown away and built anew by a reset', async () => {
    // Proves that a reset leaves no block of any pool and makes the store usable again.
    await push([...blocks(1, 3), ...blocks(7, 2)]);
    await client.set(keys.stamp, 'another-server');
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId })).toEqual({ status: 'ok', listsRemoved: 2 });
    expect(isStamped(await readStore(client))).toBe(true);
    expect(await take(1, 9)).toEqual([]);
  });

  it('is not reset on a store that is stamped already', async () => {
    // Proves that a stocker which was stopped before its reset throws nothing away of what its successor stocked since.
    await push(blocks(1, 3));
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId })).toEqual({ status: 'ok', listsRemoved: 0 });
    expect(await listed(1)).toEqual([24]);
  });

  it('is not reset on a server other than the one that was seen', async () => {
    // Proves that a stocker which retired blocks for one server cannot stamp the next one by accident.
    await push(blocks(1, 3));
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId: 'former' })).toEqual({ status: 'store_changed', runId });
    expect(await listed(1)).toEqual([24]);
  });
});
