import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StockedBlock } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { keys } from './keys.ts';
import { closeRedis, createRedis, type RedisClient, whenRedisReady } from './redis-client.ts';
import { isStamped, pushBlocks, readStore, resetStock, stockLengths, takeBlocks } from './stock.ts';
import { silentLog } from './testing.ts';

const block = (poolId: number, blockNo: number): StockedBlock => ({
  poolId,
  blockNo,
  epoch: 0,
  issueUntilMs: 1_800_000_000_000,
  mask: '_w',
});
const blocks = (poolId: number, count: number) => Array.from({ length: count }, (_, blockNo) => block(poolId, blockNo));

describe('stock', () => {
  let redis: LocalServer;
  let client: RedisClient;

  beforeAll(async () => {
    redis = await startTestRedis();
    client = createRedis('cache', redis.url, { name: 'test', log: silentLog });
    expect(await whenRedisReady(client, 10_000)).toBe(true);
  });
  afterAll(async () => {
    await closeRedis(client);
    await redis.stop();
  });
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
    expect(await takeBlocks(client, wanted)).toMatchObject({
      status: 'ok',
      blocks: new Map([
        [1, [block(1, 0), block(1, 1)]],
        [2, [block(2, 0)]],
        [3, []],
      ]),
    });
    expect(await takeBlocks(client, wanted)).toMatchObject({
      blocks: new Map([
        [1, [block(1, 2)]],
        [2, []],
        [3, []],
      ]),
    });
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
          const take = await takeBlocks(taker, [{ poolId: 1, blocksMax: 3 }]);
          const got = take.status === 'ok' ? take.blocks.get(1)! : [];
          if (got.length === 0) return mine;
          mine.push(...got.map(({ blockNo }) => blockNo));
        }
      }),
    );
    await Promise.all(takers.map(closeRedis));
    expect(taken.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, at) => at));
  });

  it('tells the store time with what it gives', async () => {
    // Proves that the time is milliseconds of the store's clock, between two readings of it.
    const before = (await readStore(client)).storeMs;
    const take = await takeBlocks(client, [{ poolId: 1, blocksMax: 1 }]);
    const after = (await readStore(client)).storeMs;
    expect(take.storeMs).toBeGreaterThanOrEqual(before);
    expect(take.storeMs).toBeLessThanOrEqual(after);
    expect(Math.abs(take.storeMs - Date.now())).toBeLessThan(3_600_000);
  });

  it('drops the oldest blocks over the limit of a list', async () => {
    // Proves that the list is bounded; what was dropped comes back by time.
    await push(blocks(1, 3), 4);
    expect(await push([block(1, 3), block(1, 4), block(1, 5)], 4)).toEqual({
      status: 'ok',
      trimmed: 2,
      lengths: new Map([[1, 4]]),
    });
    expect(await stockLengths(client, [1, 2])).toEqual(
      new Map([
        [1, 4],
        [2, 0],
      ]),
    );
    const take = await takeBlocks(client, [{ poolId: 1, blocksMax: 9 }]);
    expect(take.status === 'ok' && take.blocks.get(1)?.map(({ blockNo }) => blockNo)).toEqual([2, 3, 4, 5]);
  });

  it('neither gives nor takes blocks once the stamp is gone', async () => {
    // Proves that a flush counts as another store, although the server is the same (invariant 10).
    const { runId } = await readStore(client);
    await push(blocks(1, 3));
    await client.flushall();
    expect(isStamped(await readStore(client))).toBe(false);
    expect(await takeBlocks(client, [{ poolId: 1, blocksMax: 1 }])).toMatchObject({ status: 'store_changed' });
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
    expect(await takeBlocks(client, [{ poolId: 1, blocksMax: 1 }])).toMatchObject({ status: 'store_changed' });
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
    expect(await stockLengths(client, [1])).toEqual(new Map([[1, 0]]));
  });

  it('is thrown away and built anew by a reset', async () => {
    // Proves that a reset leaves no block of any pool and makes the store usable again.
    await push([...blocks(1, 3), ...blocks(7, 2)]);
    await client.set(keys.stamp, 'another-server');
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId })).toEqual({ status: 'ok', listsRemoved: 2 });
    expect(isStamped(await readStore(client))).toBe(true);
    expect(await takeBlocks(client, [{ poolId: 1, blocksMax: 9 }])).toMatchObject({
      status: 'ok',
      blocks: new Map([[1, []]]),
    });
  });

  it('is not reset on a server other than the one that was seen', async () => {
    // Proves that a stocker which retired blocks for one server cannot stamp the next one by accident.
    await push(blocks(1, 3));
    const { runId } = await readStore(client);
    expect(await resetStock(client, { runId: 'former' })).toEqual({ status: 'store_changed', runId });
    expect(await stockLengths(client, [1])).toEqual(new Map([[1, 3]]));
  });
});
