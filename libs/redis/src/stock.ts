import { type StockedBlock, stockedBlockSchema } from '#libs/contracts';
import { blockSizeMax } from '#libs/domain';
import { exchangeStockScript } from './exchange-stock.lua.ts';
import { keys, stockPrefix, stockTallyPrefix } from './keys.ts';
import { runScript } from './lua-script.ts';
import { pushBlocksScript } from './push-blocks.lua.ts';
import { readStoreScript } from './read-store.lua.ts';
import type { RedisClient } from './redis-client.ts';
import { resetStockScript } from './reset-stock.lua.ts';

/** Most blocks in one push: a script must not hold the server for long. */
export const pushBlocksMax = 1024;
/** Most pools in one exchange: all of the largest event, some 20 ms of the server. */
export const exchangePoolsMax = 4096;
/** Gateways tally by half seconds of the store clock. */
export const tallyPeriodMs = 500;
/** A tally is read within two seconds; it lives longer for gateways that are late. */
const tallyLifeMs = 5000;

/** The server behind the stock, and the one for which the stock was built (`undefined`: none, or it was flushed). */
export interface Store {
  readonly runId: string;
  readonly stamp: string | undefined;
  /** When it was stamped, by its own clock; never later than `storeMs`. Known of a stamped store alone. */
  readonly stampedAtMs: number | undefined;
  readonly storeMs: number;
}

export interface PushBlocks {
  readonly expectedStamp: string;
  /** Of any pools. */
  readonly blocks: readonly StockedBlock[];
  /** Limit of each pool's list; the oldest blocks over it are dropped and come back by time. */
  readonly listBlocksMax: number;
}

export type PushedBlocks =
  | {
      readonly status: 'ok';
      /** Blocks that were dropped from lists over their limit. */
      readonly trimmed: number;
      /** Blocks on each list now. */
      readonly lengths: ReadonlyMap<number, number>;
    }
  | { readonly status: 'store_changed' };

export interface WantedBlocks {
  readonly poolId: number;
  readonly blocksMax: number;
  /** Most indexes: the last block may be taken in part. Without it, whole blocks are. */
  readonly indexesMax?: number;
}

/** A gateway's figures of a pool. */
export interface PoolTally {
  readonly poolId: number;
  /** Distinct shakes in the ended period of users who may win here; a whole number. */
  readonly shakes: number;
  /** Indexes in hand before the visit, which adds what it takes; a whole number. */
  readonly left: number;
}

export interface StockVisit {
  readonly wanted: readonly WantedBlocks[];
  /** Pools whose figures are asked for; those of `wanted` too, named here or not. */
  readonly poolIds: readonly number[];
  /** This gateway's figures of the ended period `period` = floor(storeMs / tallyPeriodMs); once per period. */
  readonly tally?: { readonly period: number; readonly pools: readonly PoolTally[] };
}

export interface TallyTotals {
  readonly period: number;
  /** Gateways that gave figures. */
  readonly gateways: number;
  /** Of every pool asked for; a pool that no gateway has named has zeros. */
  readonly pools: ReadonlyMap<number, PoolTotals>;
}

/** Sums over all gateways: distinct shakes, and what was in hand after their visits; and what was then left on the list. */
export interface PoolTotals {
  readonly shakes: number;
  readonly left: number;
  readonly listed: number;
}

export type StockAnswer =
  | {
      readonly status: 'ok';
      readonly storeMs: number;
      /** What was taken of each wanted pool, oldest first. */
      readonly blocks: ReadonlyMap<number, StockedBlock[]>;
      /** Over all gateways, of the period before `tally.period`, else of the last but one: it is complete. Undefined when there is none. */
      readonly totals?: TallyTotals;
      /** Indexes on each list that are left, exact; without those of blocks whose time is past. */
      readonly listed: ReadonlyMap<number, number>;
    }
  | { readonly status: 'store_changed'; readonly storeMs: number };

export type ResetStock =
  | { readonly status: 'ok'; readonly listsRemoved: number }
  | { readonly status: 'store_changed'; readonly runId: string };

/** @throws the client's error while Redis is away. */
export async function readStore(client: RedisClient): Promise<Store> {
  const reply = await runScript(client, readStoreScript, [keys.stamp, keys.stampedAt], []);
  const [runId, stamp, storeMs, stampedAtMs] = reply as [string, string | null, number, number | null];
  return { runId, stamp: stamp ?? undefined, stampedAtMs: stampedAtMs ?? undefined, storeMs };
}

/** True when the stock was built on this very server, so that it may be taken from and added to. */
export function isStamped({ runId, stamp }: Pick<Store, 'runId' | 'stamp'>): boolean {
  return stamp === runId;
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
  const counts = new Map<number, number>();
  for (const { poolId, count } of blocks) counts.set(poolId, (counts.get(poolId) ?? 0) + count);
  const pools = [...counts.keys()];
  const listOf = new Map(pools.map((poolId, at) => [poolId, at + 1]));
  const lists = pools.flatMap((poolId) => [poolId, counts.get(poolId)!]);
  const pairs = blocks.flatMap((block) => [listOf.get(block.poolId)!, JSON.stringify(block)]);
  const reply = await runScript(
    client,
    pushBlocksScript,
    [keys.stamp, keys.stockPools, keys.stockListed, ...pools.map(keys.stock)],
    [expectedStamp, listBlocksMax, ...lists, ...pairs],
  );
  const [done, trimmed, ...lengths] = reply as number[];
  if (done !== 1) return { status: 'store_changed' };
  return { status: 'ok', trimmed: trimmed!, lengths: new Map(pools.map((poolId, at) => [poolId, lengths[at]!])) };
}

/**
 * One visit of a gateway with the stock, in one round trip: takes up to `blocksMax` blocks and `indexesMax` indexes of each wanted pool,
 * oldest first, each index for one taker only (invariant 2), adds the gateway's figures to the tally and tells those of all. While the store is
 * not the one that the stock was built on, nothing is taken and nothing is tallied.
 * @throws RangeError for more than `exchangePoolsMax` pools or figures that are no whole numbers; the client's error while Redis is
 * away: blocks may be lost with the reply, and come back by time; the figures may or may not be counted.
 */
export async function exchangeStock(client: RedisClient, visit: StockVisit): Promise<StockAnswer> {
  const { wanted, tally } = visit;
  const pools = [...new Set([...wanted.map(({ poolId }) => poolId), ...visit.poolIds])];
  assertVisit(visit, pools.length);
  const reply = await runScript(
    client,
    exchangeStockScript,
    [keys.stamp, keys.stockListed, ...pools.map(keys.stock)],
    [
      ...[stockTallyPrefix, tallyPeriodMs, tallyLifeMs, tally?.period ?? -1, wanted.length],
      ...pools,
      ...wanted.flatMap(({ blocksMax, indexesMax = blocksMax * blockSizeMax }) => [blocksMax, indexesMax]),
      ...(tally?.pools ?? []).flatMap(({ poolId, shakes, left }) => [poolId, shakes, left]),
    ],
  );
  const [done, storeMs, ...rest] = reply as [number, number, ...unknown[]];
  if (done !== 1) return { status: 'store_changed', storeMs };
  const [lists, listed, period, gateways, sums] = rest as [string[][], number[], number, number, number[]];
  const figures = pools.map((poolId, at) => {
    const [shakes, left, poolListed] = sums.slice(3 * at, 3 * at + 3) as [number, number, number];
    return [poolId, { shakes, left, listed: poolListed }] as const;
  });
  return {
    status: 'ok',
    storeMs,
    blocks: new Map(wanted.map(({ poolId }, at) => [poolId, lists[at]!.map(parseBlock)])),
    listed: new Map(pools.map((poolId, at) => [poolId, listed[at]!])),
    ...(gateways > 0 && { totals: { period, gateways, pools: new Map(figures) } }),
  };
}

/** The script must not stop half-way: what it was given is looked at before. */
function assertVisit({ wanted, tally }: StockVisit, poolCount: number): void {
  const figures = tally?.pools ?? [];
  if (Math.max(poolCount, figures.length) > exchangePoolsMax) {
    throw new RangeError(`at most ${exchangePoolsMax} pools in one exchange`);
  }
  if (new Set(wanted.map(({ poolId }) => poolId)).size < wanted.length) throw new RangeError('a pool is wanted twice');
  const numbers = [
    ...wanted.flatMap(({ blocksMax, indexesMax = 0 }) => [blocksMax, indexesMax]),
    ...(tally === undefined ? [] : [tally.period]),
    ...figures.flatMap(({ shakes, left }) => [shakes, left]),
  ];
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  if (!numbers.every(isCount)) throw new RangeError('wanted blocks and figures must be whole numbers');
}

const parseBlock = (text: string): StockedBlock => stockedBlockSchema.parse(JSON.parse(text));

/**
 * Takes the lists of pools whose event is over out of the store; what is on them is not to be issued any more.
 * @throws the client's error while Redis is away: it may or may not have happened; doing it again is harmless.
 */
export async function dropStock(client: RedisClient, poolIds: readonly number[]): Promise<void> {
  if (poolIds.length === 0) return;
  await Promise.all([
    client.del(...poolIds.map(keys.stock)),
    client.srem(keys.stockPools, ...poolIds),
    client.hdel(keys.stockListed, ...poolIds.map(String)),
  ]);
}

/**
 * Throws away all stock and stamps the server `runId` (as read by `readStore`) as the one to build stock on. Before it, the blocks
 * that are out must have been retired in PostgreSQL: they may still be issued by gateways that hold them, and by nobody else.
 * @throws the client's error while Redis is away: it may or may not have happened; doing it again is harmless.
 */
export async function resetStock(client: RedisClient, { runId }: { readonly runId: string }): Promise<ResetStock> {
  const reply = await runScript(
    client,
    resetStockScript,
    [keys.stamp, keys.stockPools, keys.stockListed, keys.stampedAt],
    [runId, stockPrefix],
  );
  const [done, detail] = reply as [number, number | string];
  return done === 1
    ? { status: 'ok', listsRemoved: Number(detail) }
    : { status: 'store_changed', runId: String(detail) };
}
