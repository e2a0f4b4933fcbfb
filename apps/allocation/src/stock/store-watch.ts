import { type PoolClient, retireBlocks } from '#libs/database';
import { isStamped, type RedisClient, readStore, resetStock } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';

/**
 * Notices that Redis came back as another server, or lost its stamp (invariant 10): a restart, a fail-over, perhaps to a stale
 * replica, or a flush. The blocks that were out may be in gateways' hands, on a list that is gone or on one that came back from
 * the past: they are retired in PostgreSQL first, and only then the store gets a new stamp, so none of them is ever issued again.
 */
export class StoreWatch {
  /** Monotonic ms of the last sign of the store that the stock was on. */
  private lastGoodAt = performance.now();
  private isRecovering = false;

  constructor(
    private readonly cache: RedisClient,
    private readonly logger: Logger,
    private readonly metrics: AllocationMetrics,
  ) {}

  /**
   * The stamp under which blocks may be pushed now; undefined when the store changed while it was looked at: look again.
   * @throws the client's or the database's error.
   */
  async check(client: PoolClient): Promise<string | undefined> {
    const store = await readStore(this.cache);
    if (!isStamped(store)) return this.startOver(client, store.runId, store.stamp);
    if (!this.isRecovering) this.lastGoodAt = performance.now();
    return store.runId;
  }

  /** Told when blocks were pushed: winners flow again. */
  onPushed(): void {
    if (!this.isRecovering) return;
    this.isRecovering = false;
    const seconds = (performance.now() - this.lastGoodAt) / 1000;
    this.metrics.storeRecoverySeconds.set(seconds);
    this.logger.warn({ seconds }, 'stock flows again after the change of the store');
  }

  private async startOver(client: PoolClient, runId: string, stamp: string | undefined): Promise<string | undefined> {
    const retired = await retireBlocks(client);
    // with nothing out there were no winners to wait for: the first start, for one
    if (retired > 0) this.isRecovering = true;
    const reset = await resetStock(this.cache, { runId });
    if (reset.status === 'store_changed') return undefined;
    this.metrics.storeChanges.inc();
    this.metrics.blocks.inc({ change: 'retired' }, retired);
    this.logger.warn(
      { runId, stamp, retired, listsRemoved: reset.listsRemoved },
      'the store changed: stock starts over',
    );
    return runId;
  }
}
