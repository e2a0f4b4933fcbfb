import type { ShareConfig } from '#libs/contracts';
import { ChannelSubscriber, closeRedis, createRedis, type RedisClient, StoreClock } from '#libs/redis';
import type { Logger } from '#libs/runtime';

/** This process's connections to Redis, one per role, and the store clock. All of them come up by themselves. */
export class ShareRedis {
  readonly cache: RedisClient;
  readonly producer: RedisClient;
  readonly channels: ChannelSubscriber;
  readonly clock: StoreClock;

  constructor(config: Pick<ShareConfig, 'REDIS_URL'>, shareId: string, log: Logger) {
    this.cache = createRedis('cache', config.REDIS_URL, { name: `${shareId}.cache`, log });
    this.producer = createRedis('producer', config.REDIS_URL, { name: `${shareId}.producer`, log });
    const subscriber = createRedis('subscriber', config.REDIS_URL, { name: `${shareId}.subscriber`, log });
    this.channels = new ChannelSubscriber(subscriber, log);
    this.clock = new StoreClock(this.cache);
  }

  /** Store milliseconds; this machine's when the store cannot be asked: for reads only, never to accept a grab. */
  readNowMs(): number {
    return this.clock.nowMs() ?? Date.now();
  }

  async close(): Promise<void> {
    this.clock.stop();
    await this.channels.close();
    await Promise.all([closeRedis(this.cache), closeRedis(this.producer)]);
  }
}
