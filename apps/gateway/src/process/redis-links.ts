import type { GatewayConfig } from '#libs/contracts';
import { ChannelSubscriber, closeRedis, createRedis, type RedisClient, StoreClock } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import { takesMoney } from './role.ts';

/** This process's connections to Redis, one per role, and the store clock. All of them come up, and come back, by themselves. */
export class RedisLinks {
  /** Clock, stock, events, degradation, figures. */
  readonly cache: RedisClient;
  /** Opens; never connected where there are none. */
  readonly producer: RedisClient;
  readonly channels: ChannelSubscriber;
  readonly clock: StoreClock;

  constructor({ REDIS_URL, OPEN_ACCEPT_MAX_MS, GATEWAY_ROLE }: GatewayConfig, gatewayId: string, log: Logger) {
    this.cache = createRedis('cache', REDIS_URL, { name: `${gatewayId}.cache`, log });
    const commandTimeoutMs = OPEN_ACCEPT_MAX_MS;
    this.producer = createRedis('producer', REDIS_URL, {
      name: `${gatewayId}.producer`,
      log,
      commandTimeoutMs,
      isUnused: !takesMoney(GATEWAY_ROLE),
    });
    this.channels = new ChannelSubscriber(
      createRedis('subscriber', REDIS_URL, { name: `${gatewayId}.subscriber`, log }),
      log,
    );
    this.clock = new StoreClock(this.cache);
  }

  async close(): Promise<void> {
    this.clock.stop();
    await this.channels.close();
    await Promise.all([closeRedis(this.cache), closeRedis(this.producer)]);
  }
}
