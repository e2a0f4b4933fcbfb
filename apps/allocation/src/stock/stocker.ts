import type { StockedBlock } from '#libs/contracts';
import {
  type EventRecord,
  isDatabaseAway,
  type PoolClient,
  type PoolRecord,
  restockBlocks,
  type StockedBlockRow,
  stockBlocks,
} from '#libs/database';
import { dropStock, isRedisAway, pushBlocks, pushBlocksMax, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';
import { blocksDue, issueUntilMs, mayRestock, type StockWave } from './stock-plan.ts';

/** Blocks of one pool per tick: a million packets a second, twenty times what is planned for a whole event. */
const stockPerTickMax = 1024;
/** Restocked blocks of one pool per tick: each is a row update with its grants looked up. */
const restockPerTickMax = 256;
/**
 * Blocks on a pool's list, and never more than the pool has: each block can be issued from one place on it only, so what is older
 * has timed out there.
 */
const listBlocksMax = 8192;

export interface StockerDeps {
  readonly cache: RedisClient;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
  readonly leadMs: number;
}

export interface StockTick {
  readonly client: PoolClient;
  readonly nowMs: number;
  /** Stamp of the store that the blocks are for. */
  readonly stamp: string;
}

export type Stocked = 'pushed' | 'nothing' | 'store_changed';

/**
 * Stocks pools along their release curves, and reclaimed blocks again in their next epoch. The row of a block is committed first;
 * a push that fails, or whose outcome is unknown, is never repeated: time brings the block back (invariant 2).
 */
export class Stocker {
  /** Pools that have, or may have, reclaimed blocks; asking all pools each tick would be thousands of round trips. */
  private readonly restockable = new Set<number>();
  private readonly known = new Set<number>();
  private readonly dropped = new Set<number>();
  /** What the pools' next blocks are since events were loaded. */
  private readonly nextBlocks = new Map<number, number>();

  constructor(private readonly deps: StockerDeps) {}

  /** Blocks of these pools were reclaimed. */
  addRestockable(poolIds: Iterable<number>): void {
    for (const poolId of poolIds) this.restockable.add(poolId);
  }

  /**
   * One tick over the pools of an event; a fault in one of them is told and keeps no other from its stock.
   * @throws the error of a database or a client that is away: what was committed and not pushed comes back by time.
   */
  async stock(tick: StockTick, event: EventRecord): Promise<Stocked> {
    if (event.state === 'closed') await this.drop(event);
    if (event.state !== 'armed' && event.state !== 'live') return 'nothing';
    const waves = new Map(event.waves.map((wave) => [wave.no, wave]));
    let stocked: Stocked = 'nothing';
    for (const pool of event.pools) {
      const wave = waves.get(pool.waveNo)!;
      const commits = [() => this.stockPool(tick, event, wave, pool), () => this.restockPool(tick, event, wave, pool)];
      for (const commit of commits) {
        const filled = await this.fill(event, pool, tick.stamp, commit);
        if (filled === 'store_changed') return filled;
        if (filled === 'pushed') stocked = filled;
      }
    }
    return stocked;
  }

  /** Pushes what was committed at once, so that no later fault can come between. */
  private async fill(
    { id: eventId }: EventRecord,
    pool: PoolRecord,
    stamp: string,
    commit: () => Promise<StockedBlockRow[]>,
  ): Promise<Stocked> {
    try {
      return await this.push(pool, await commit(), stamp);
    } catch (error) {
      if (isRedisAway(error) || isDatabaseAway(error)) throw error;
      this.deps.metrics.stockFailures.inc({ step: 'pool' });
      this.deps.logger.error({ eventId, poolId: pool.poolId, err: error }, 'a pool could not be stocked');
      return 'nothing';
    }
  }

  /** The lists of a closed event would lie in Redis for ever. */
  private async drop({ id, pools }: EventRecord): Promise<void> {
    if (this.dropped.has(id)) return;
    await dropStock(
      this.deps.cache,
      pools.map(({ poolId }) => poolId),
    );
    this.dropped.add(id);
  }

  private async stockPool(
    { client, nowMs }: StockTick,
    event: EventRecord,
    wave: StockWave,
    pool: PoolRecord,
  ): Promise<StockedBlockRow[]> {
    const { poolId } = pool;
    const nextBlock = Math.max(pool.nextBlock, this.nextBlocks.get(poolId) ?? 0);
    const upToBlock = blocksDue(wave, pool, nowMs, this.deps.leadMs);
    const untilMs = issueUntilMs(event, wave, nowMs);
    if (untilMs === undefined || upToBlock <= nextBlock) return [];
    const rows = await stockBlocks(client, {
      poolId,
      upToBlock,
      countMax: stockPerTickMax,
      issueUntilMs: untilMs,
      stockedAtMs: nowMs,
    });
    this.nextBlocks.set(poolId, Math.max(nextBlock, ...rows.map(({ blockNo }) => blockNo + 1)));
    this.deps.metrics.blocks.inc({ change: 'stocked' }, rows.length);
    return rows;
  }

  private async restockPool(
    { client, nowMs }: StockTick,
    event: EventRecord,
    wave: StockWave,
    pool: PoolRecord,
  ): Promise<StockedBlockRow[]> {
    const { poolId } = pool;
    // a stocker that has just taken over does not know what its predecessor reclaimed
    if (!this.known.has(poolId)) this.restockable.add(poolId);
    this.known.add(poolId);
    const untilMs = issueUntilMs(event, wave, nowMs);
    if (untilMs === undefined || event.state !== 'live' || !this.restockable.has(poolId)) return [];
    if (!mayRestock(event, wave, nowMs)) return [];
    const { stocked, closed } = await restockBlocks(client, {
      poolId,
      countMax: restockPerTickMax,
      issueUntilMs: untilMs,
      stockedAtMs: nowMs,
    });
    if (stocked.length + closed < restockPerTickMax) this.restockable.delete(poolId);
    this.deps.metrics.blocks.inc({ change: 'restocked' }, stocked.length);
    return stocked;
  }

  private async push(pool: PoolRecord, rows: readonly StockedBlockRow[], expectedStamp: string): Promise<Stocked> {
    const limit = Math.min(pool.blockCount, listBlocksMax);
    for (let from = 0; from < rows.length; from += pushBlocksMax) {
      const blocks = rows.slice(from, from + pushBlocksMax).map(stockedBlockOf);
      const pushed = await pushBlocks(this.deps.cache, { expectedStamp, blocks, listBlocksMax: limit });
      if (pushed.status === 'store_changed') return 'store_changed';
      this.deps.metrics.blocks.inc({ change: 'pushed' }, blocks.length);
    }
    return rows.length === 0 ? 'nothing' : 'pushed';
  }
}

function stockedBlockOf({ poolId, blockNo, epoch, issueUntilMs: untilMs, mask }: StockedBlockRow): StockedBlock {
  return { poolId, blockNo, epoch, issueUntilMs: untilMs, mask: Buffer.from(mask).toString('base64url') };
}
