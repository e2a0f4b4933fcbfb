import {
  type EventRecord,
  isDatabaseAway,
  keepStockerLock,
  type Pool,
  type PoolClient,
  withStockerLock,
} from '#libs/database';
import { isRedisAway, type StoreClock } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { EventKeeper } from '../events/event-keeper.ts';
import type { AllocationMetrics } from '../process/metrics.ts';
import { pause } from '../process/pause.ts';
import type { Reclaimer } from './reclaimer.ts';
import type { Stocker, StockTick } from './stocker.ts';
import type { StoreWatch } from './store-watch.ts';

/** Between two ticks of the stocker. */
const tickMs = 250;
/** How soon another process looks whether it should take over, and a failed one tries again. */
const candidateMs = 500;
const reclaimMs = 500;
const orphansMs = 1000;

export interface StockHands {
  readonly keeper: EventKeeper;
  readonly watch: StoreWatch;
  readonly stocker: Stocker;
  readonly reclaimer: Reclaimer;
}

export interface StockLoopDeps {
  /** From `createStockerPool`; one connection of it is held for as long as this process is the stocker. */
  readonly pool: Pool;
  readonly clock: StoreClock;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
  /** Made anew for each term: nothing is remembered from before the lock was lost. */
  readonly makeHands: () => StockHands;
}

/**
 * The one stocker over all allocation processes: whoever holds the database's advisory lock keeps events, stock and reclaim
 * going, on the connection that holds the lock. When that connection or its process is gone, another process takes over.
 */
export class StockLoop {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private serving = false;

  constructor(private readonly deps: StockLoopDeps) {}

  /** True while this process holds the lock, as far as it knows. */
  get isStocker(): boolean {
    return this.serving;
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends after the tick under way and gives the lock up. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { pool, logger, metrics } = this.deps;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await withStockerLock(pool, (client) => this.serve(client));
      } catch (error) {
        metrics.stockFailures.inc({ step: 'term' });
        logger.warn({ err: error }, 'no stocker in this process for now');
      }
      await pause(candidateMs, signal);
    }
  }

  /** One term as the stocker. @throws the database's error, which ends the term. */
  private async serve(client: PoolClient): Promise<void> {
    const { logger, metrics, makeHands } = this.deps;
    const { signal } = this.stopping;
    const term = new StockTerm(this.deps, makeHands(), client);
    this.serving = true;
    metrics.isStocker.set(1);
    logger.info('this process is the stocker');
    try {
      while (!signal.aborted) {
        const startedAt = performance.now();
        await term.tick();
        await pause(Math.max(tickMs - (performance.now() - startedAt), 0), signal);
      }
    } finally {
      this.serving = false;
      metrics.isStocker.set(0);
    }
  }
}

class StockTerm {
  private reclaimedAt = Number.NEGATIVE_INFINITY;
  private orphansAt = Number.NEGATIVE_INFINITY;
  private isStoreAway = false;

  constructor(
    private readonly deps: StockLoopDeps,
    private readonly hands: StockHands,
    private readonly client: PoolClient,
  ) {}

  /** While Redis is away there is no clock, no stock and nothing to reclaim by: ticks pass. @throws the database's error. */
  async tick(): Promise<void> {
    await keepStockerLock(this.client);
    try {
      await this.work();
      this.isStoreAway = false;
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      if (!this.isStoreAway) this.deps.logger.warn({ err: error }, 'the stocker waits for Redis');
      this.isStoreAway = true;
    }
  }

  private async work(): Promise<void> {
    const { watch, keeper, reclaimer } = this.hands;
    const nowMs = this.deps.clock.nowMs();
    if (nowMs === undefined) return;
    const stamp = await watch.check(this.client);
    const events = await keeper.keep(this.client, nowMs);
    if (stamp === undefined) return;
    const isReclaimDue = performance.now() - this.reclaimedAt >= reclaimMs;
    const tick = { client: this.client, nowMs, stamp };
    for (const event of events) await this.workOn(tick, event, isReclaimDue);
    if (isReclaimDue) this.reclaimedAt = performance.now();
    if (performance.now() - this.orphansAt < orphansMs) return;
    await reclaimer.dropOrphans(nowMs, events);
    this.orphansAt = performance.now();
  }

  /** A fault in one event must not keep the others from their stock. */
  private async workOn(tick: StockTick, event: EventRecord, isReclaimDue: boolean): Promise<void> {
    const { stocker, reclaimer, watch } = this.hands;
    const { deps } = this;
    try {
      if (isReclaimDue) stocker.addReclaimed(await reclaimer.reclaim(tick, event));
      if ((await stocker.stock(tick, event)) === 'pushed') watch.onPushed();
    } catch (error) {
      if (isRedisAway(error) || isDatabaseAway(error)) throw error;
      deps.metrics.stockFailures.inc({ step: 'event' });
      deps.logger.error({ eventId: event.id, err: error }, 'an event could not be stocked');
    }
  }
}
