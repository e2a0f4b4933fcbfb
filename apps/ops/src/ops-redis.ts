import type { OpsConfig } from '#libs/contracts';
import { closeRedis, createRedis, type RedisClient, StoreClock, type StoreClockOptions } from '#libs/redis';
import type { Logger } from '#libs/runtime';

/** This process's connection to Redis, and the store clock. */
export class OpsRedis {
  readonly client: RedisClient;
  private readonly clock: StoreClock;
  /** Store time minus monotonic time, as it was last known; before that by this machine's clock. */
  private offsetMs = Date.now() - performance.now();

  constructor(config: Pick<OpsConfig, 'REDIS_URL'>, log: Logger, clockOptions: StoreClockOptions = {}) {
    this.client = createRedis('cache', config.REDIS_URL, { name: 'ops.cache', log });
    this.clock = new StoreClock(this.client, clockOptions);
  }

  /** Waits a moment for the first store time; goes on without. */
  async start(timeoutMs: number): Promise<void> {
    this.clock.start();
    await this.clock.whenReady(timeoutMs);
  }

  /** Store milliseconds, known by a fresh sample; undefined while the store cannot be asked. */
  storeMs(): number | undefined {
    const storeMs = this.clock.nowMs();
    if (storeMs !== undefined) this.offsetMs = storeMs - performance.now();
    return storeMs;
  }

  /**
   * Store milliseconds; while the store cannot be asked the best guess, by the last known offset: good for what is shown and what can be
   * taken back. Only before the first sample it goes by this machine's clock.
   */
  nowMs(): number {
    return this.storeMs() ?? Math.floor(performance.now() + this.offsetMs);
  }

  isThere(): boolean {
    return this.clock.nowMs() !== undefined;
  }

  async close(): Promise<void> {
    this.clock.stop();
    await closeRedis(this.client);
  }
}
