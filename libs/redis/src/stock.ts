import { type StockedBlock, stockedBlockSchema } from '#libs/contracts';
import { keys, stockPrefix } from './keys.ts';
import { runScript } from './lua-script.ts';
import { pushBlocksScript } from './push-blocks.lua.ts';
import { readStoreScript } from './read-store.lua.ts';
import type { RedisClient } from './redis-client.ts';
import { resetStockScript } from './reset-stock.lua.ts';
import { takeBlocksScript } from './take-blocks.lua.ts';

/** Most blocks in one push: a script must not hold the server for long. */
export const pushBlocksMax = 1024;
/** Most pools in one take. */
export const takePoolsMax = 1024;

/** The server behind the stock, and the one for which the stock was built (`undefined`: none, or it was flushed). */
export interface Store {
  readonly runId: string;
  readonly stamp: string | undefined;
  readonly storeMs: number;
}

export interface PushBlocks {
  readonly expectedStamp: string;
  readonly blocks: readonly StockedBlock[];
  /** Limit of each pool's list; the oldest blocks over it are dropped and come back by time. */
  readonly listBlocksMax: number;
}

export type PushedBlocks =
  | { readonly status: 'ok'; readonly trimmed: number; readonly lengths: ReadonlyMap<number, number> }
  | { readonly status: 'store_changed' };

export interface WantedBlocks {
  readonly poolId: number;
  readonly blocksMax: number;
}

export type TakenBlocks =
  | { readonly status: 'ok'; readonly storeMs: number; readonly blocks: ReadonlyMap<number, StockedBlock[]> }
  | { readonly status: 'store_changed'; readonly storeMs: number };

export type ResetStock =
  | { readonly status: 'ok'; readonly listsRemoved: number }
  | { readonly status: 'store_changed'; readonly runId: string };

/** @throws the client's error while Redis is away. */
export async function readStore(client: RedisClient): Promise<Store> {
  const reply = await runScript(client, readStoreScript, [keys.stamp], []);
  const [runId, stamp, storeMs] = reply as [string, string | null, number];
  return { runId, stamp: stamp ?? undefined, storeMs };
}

/** True when the stock was built on this very server, so that it may be taken from and added to. */
export function isStamped(store: Store): boolean {
  return store.stamp === store.runId;
}

/**
 * The run id of the server if the stock was built on it; undefined when it was emptied or replaced and not stamped anew since.
 * @throws the client's error while Redis is away.
 */
export async function readStamp(client: RedisClient): Promise<string | undefined> {
  const store = await readStore(client);
  return isStamped(store) ? store.runId : undefined;
}

/**
 * Puts blocks on their pools' lists, all or none.
 *
 * Never repeat a push whose outcome is unknown: a block that stands on a list twice would be issued twice. Time brings it back.
 * @throws the client's error while Redis is away: the blocks may or may not be on the lists.
 */
export async function pushBlocks(client: RedisClient, push: PushBlocks): Promise<PushedBlocks> {
  const { blocks, listBlocksMax, expectedStamp } = push;
  if (blocks.length > pushBlocksMax) throw new RangeError(`at most ${pushBlocksMax} blocks in one push`);
  if (listBlocksMax < 1) throw new RangeError('a stock list holds at least one block');
  const pools = [...new Set(blocks.map((block) => block.poolId))];
  const listOf = new Map(pools.map((poolId, at) => [poolId, at + 1]));
  const pairs = blocks.flatMap((block) => [listOf.get(block.poolId)!, JSON.stringify(block)]);
  const reply = await runScript(
    client,
    pushBlocksScript,
    [keys.stamp, keys.stockPools, ...pools.map(keys.stock)],
    [expectedStamp, listBlocksMax, ...pools, ...pairs],
  );
  const [done, trimmed, ...lengths] = reply as number[];
  if (done !== 1) return { status: 'store_changed' };
  return { status: 'ok', trimmed: trimmed!, lengths: new Map(pools.map((poolId, at) => [poolId, lengths[at]!])) };
}

/**
 * Takes up to `blocksMax` blocks of each pool, oldest first; each block is given to one taker only (invariant 2).
 * @throws the client's error while Redis is away: blocks may be lost with the reply, and come back by time.
 */
export async function takeBlocks(client: RedisClient, wanted: readonly WantedBlocks[]): Promise<TakenBlocks> {
  if (wanted.length > takePoolsMax) throw new RangeError(`at most ${takePoolsMax} pools in one take`);
  const reply = await runScript(
    client,
    takeBlocksScript,
    [keys.stamp, ...wanted.map(({ poolId }) => keys.stock(poolId))],
    wanted.map(({ blocksMax }) => blocksMax),
  );
  const [done, storeMs, ...lists] = reply as [number, number, ...string[][]];
  if (done !== 1) return { status: 'store_changed', storeMs };
  return {
    status: 'ok',
    storeMs,
    blocks: new Map(wanted.map(({ poolId }, at) => [poolId, lists[at]!.map(parseBlock)])),
  };
}

const parseBlock = (text: string): StockedBlock => stockedBlockSchema.parse(JSON.parse(text));

/** Blocks on the list of each pool. @throws the client's error while Redis is away. */
export async function stockLengths(client: RedisClient, poolIds: readonly number[]): Promise<Map<number, number>> {
  const lengths = await Promise.all(poolIds.map((poolId) => client.llen(keys.stock(poolId))));
  return new Map(poolIds.map((poolId, at) => [poolId, lengths[at]!]));
}

/**
 * Takes the lists of pools whose event is over out of the store; what is on them is not to be issued any more.
 * @throws the client's error while Redis is away: it may or may not have happened; doing it again is harmless.
 */
export async function dropStock(client: RedisClient, poolIds: readonly number[]): Promise<void> {
  if (poolIds.length === 0) return;
  await Promise.all([client.del(...poolIds.map(keys.stock)), client.srem(keys.stockPools, ...poolIds)]);
}

/**
 * Throws away all stock and stamps the server `runId` (as read by `readStore`) as the one to build stock on. Before it, the blocks
 * that are out must have been retired in PostgreSQL: they may still be issued by gateways that hold them, and by nobody else.
 * @throws the client's error while Redis is away: it may or may not have happened; doing it again is harmless.
 */
export async function resetStock(client: RedisClient, { runId }: { readonly runId: string }): Promise<ResetStock> {
  const reply = await runScript(client, resetStockScript, [keys.stamp, keys.stockPools], [runId, stockPrefix]);
  const [done, detail] = reply as [number, number | string];
  return done === 1
    ? { status: 'ok', listsRemoved: Number(detail) }
    : { status: 'store_changed', runId: String(detail) };
}
