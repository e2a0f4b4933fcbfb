import type { OpsConfig } from '#libs/contracts';
import { closeRedis, createRedis, type RedisClient, StoreClock } from '#libs/redis';
import type { Logger } from '#libs/runtime';

/** This process's connection to Redis, and the store clock. */
export class OpsRedis {
  readonly client: RedisClient;
  private readonly clock: StoreClock;

  constructor(config: Pick<OpsConfig, 'REDIS_URL'>, log: Logger) {
    this.client = createRedis('cache', config.REDIS_URL, { name: 'ops.cache', log });
    this.clock = new StoreClock(this.client);
  }

  /** Waits a moment for the first store time; goes on without. */
  async start(timeoutMs: number): Promise<void> {
    this.clock.start();
    await this.clock.whenReady(timeoutMs);
  }

  /** Store milliseconds; this machine's while the store cannot be asked. */
  nowMs(): number {
    return this.clock.nowMs() ?? Date.now();
  }

  isThere(): boolean {
    return this.clock.nowMs() !== undefined;
  }

  async close(): Promise<void> {
    this.clock.stop();
    await closeRedis(this.client);
  }
}
