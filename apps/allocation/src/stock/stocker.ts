import {
  countReclaimed,
  type EventRecord,
  type PoolClient,
  type PoolRecord,
  type PoolStocking,
  restockBlocks,
  stockBlocks,
  type WaveRecord,
} from '#libs/database';
import { dropStock, exchangeStock, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';
import { LateBlocks } from './late-blocks.ts';
import { commitBlocksMax, type Filled, ShelfFiller } from './shelf-filler.ts';
import { blocksDue, issueUntilMs, mayRestock, restockDue } from './stock-plan.ts';

/** Blocks of one pool per tick: eight thousand a second, many times what a curve asks for. */
const stockPerTickMax = commitBlocksMax;
/** Restocked blocks of one pool per tick: each is a row update with its grants looked up. */
const restockPerTickMax = 256;

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

type Shelf = PoolRecord & { readonly wave: WaveRecord };
type RestockDue = Omit<PoolStocking, 'upToBlock'>;

/**
 * Stocks pools along their release curves, and reclaimed blocks again in their next epoch, many pools in one transaction and one push.
 * The row of a block is committed before the block is pushed (invariant 2).
 */
export class Stocker {
  private readonly filler: ShelfFiller;
  /** Reclaimed blocks of each pool, of the events that were counted in this term; only this process changes them. */
  private readonly reclaimed = new Map<number, number>();
  private readonly counted = new Set<number>();
  private readonly dropped = new Set<number>();
  /** What the pools' next blocks are since events were loaded. */
  private readonly nextBlocks = new Map<number, number>();
  private readonly late = new LateBlocks<Shelf>();

  constructor(private readonly deps: StockerDeps) {
    this.filler = new ShelfFiller(deps);
  }

  /** Blocks of these pools were reclaimed; one entry for each block. */
  addReclaimed(poolIds: Iterable<number>): void {
    for (const poolId of poolIds) this.reclaimed.set(poolId, (this.reclaimed.get(poolId) ?? 0) + 1);
  }

  /**
   * One tick over the pools of an event; a fault in one of them is told and keeps no other from its stock.
   * @throws the error of a database or a client that is away: what was committed and not pushed comes back by time.
   */
  async stock(tick: StockTick, event: EventRecord): Promise<Filled> {
    if (event.state === 'closed') await this.drop(event);
    if (event.state !== 'armed' && event.state !== 'live') return 'nothing';
    const waves = new Map(event.waves.map((wave) => [wave.no, wave]));
    const shelves = event.pools.map((pool) => ({ ...pool, wave: waves.get(pool.waveNo)! }));
    const stocked = await this.stockShelves(tick, event, shelves);
    if (stocked === 'store_changed') return stocked;
    const restocked = await this.restockShelves(tick, event, shelves);
    return restocked === 'nothing' ? stocked : restocked;
  }

  /** The lists of a closed event would lie in Redis for ever. */
  private async drop({ id, pools }: EventRecord): Promise<void> {
    if (this.dropped.has(id)) return;
    const poolIds = pools.map(({ poolId }) => poolId);
    await dropStock(this.deps.cache, poolIds);
    for (const poolId of poolIds) this.reclaimed.delete(poolId);
    this.dropped.add(id);
  }

  private stockShelves(
    { client, nowMs, stamp }: StockTick,
    event: EventRecord,
    shelves: readonly Shelf[],
  ): Promise<Filled> {
    const { leadMs } = this.deps;
    const nextBlockOf = ({ poolId, nextBlock }: Shelf): number => Math.max(nextBlock, this.nextBlocks.get(poolId) ?? 0);
    this.late.look(event, shelves, nextBlockOf, { nowMs, leadMs });
    const due = shelves.flatMap((shelf): PoolStocking[] => {
      const { poolId, wave } = shelf;
      const untilMs = issueUntilMs(event, wave, shelf, nowMs);
      const nextBlock = nextBlockOf(shelf);
      const upToBlock = blocksDue(wave, shelf, nowMs, leadMs) - this.late.of(poolId);
      if (untilMs === undefined || upToBlock <= nextBlock) return [];
      return [{ poolId, upToBlock, countMax: Math.min(upToBlock - nextBlock, stockPerTickMax), issueUntilMs: untilMs }];
    });
    const commit = async (pools: readonly PoolStocking[]) => {
      const rows = await stockBlocks(client, { pools, stockedAtMs: nowMs });
      for (const { poolId, blockNo } of rows) this.nextBlocks.set(poolId, blockNo + 1);
      this.deps.metrics.blocks.inc({ change: 'stocked' }, rows.length);
      return rows;
    };
    return this.filler.fill({ stamp, due, commit });
  }

  private async restockShelves(tick: StockTick, event: EventRecord, shelves: readonly Shelf[]): Promise<Filled> {
    const { client, nowMs, stamp } = tick;
    if (event.state !== 'live') return 'nothing';
    await this.count(client, event);
    const waiting = shelves.filter(
      ({ poolId, wave }) => (this.reclaimed.get(poolId) ?? 0) > 0 && mayRestock(event, wave, nowMs),
    );
    if (waiting.length === 0) return 'nothing';
    const lists = await exchangeStock(this.deps.cache, { wanted: [], poolIds: waiting.map(({ poolId }) => poolId) });
    if (lists.status === 'store_changed') return 'store_changed';
    const due = waiting.flatMap((shelf) => this.restockDueOf(shelf, event, nowMs, lists.listed.get(shelf.poolId)!));
    return this.filler.fill({ stamp, due, commit: (pools) => this.restock(tick, pools) });
  }

  /** A stocker that has just taken over does not know what its predecessors reclaimed. */
  private async count(client: PoolClient, { id }: EventRecord): Promise<void> {
    if (this.counted.has(id)) return;
    for (const [poolId, count] of await countReclaimed(client, id)) this.reclaimed.set(poolId, count);
    this.counted.add(id);
  }

  private restockDueOf(shelf: Shelf, event: EventRecord, nowMs: number, listed: number): RestockDue[] {
    const { poolId, wave } = shelf;
    const reclaimed = this.reclaimed.get(poolId)!;
    const due = restockDue({ event, wave, pool: shelf, nowMs, leadMs: this.deps.leadMs, reclaimed, listed });
    const untilMs = issueUntilMs(event, wave, shelf, nowMs);
    if (due === 0 || untilMs === undefined) return [];
    return [{ poolId, countMax: Math.min(due, restockPerTickMax), issueUntilMs: untilMs }];
  }

  private async restock({ client, nowMs }: StockTick, pools: readonly RestockDue[]) {
    const { stocked, closed } = await restockBlocks(client, { pools, stockedAtMs: nowMs });
    const done = new Map(closed);
    for (const { poolId } of stocked) done.set(poolId, (done.get(poolId) ?? 0) + 1);
    for (const { poolId, countMax } of pools) {
      const count = done.get(poolId) ?? 0;
      // fewer than were asked for: there are no more, whatever was counted
      this.reclaimed.set(poolId, count < countMax ? 0 : this.reclaimed.get(poolId)! - count);
    }
    this.deps.metrics.blocks.inc({ change: 'restocked' }, stocked.length);
    return stocked;
  }
}
