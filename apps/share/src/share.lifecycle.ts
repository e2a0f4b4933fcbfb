import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { subscribeEventsChanged, subscribeFeed, subscribeReplies } from '#libs/redis';
import { shareParts } from './share.tokens.ts';
import type { ShareParts } from './share-parts.ts';

const startWaitMaxMs = 2000;
const producerCloseMaxMs = 3000;

/**
 * What runs besides requests, in order. A stop takes no new streams (onModuleDestroy), lets Nest finish the requests under way,
 * then closes what they used (onApplicationShutdown).
 */
@Injectable()
export class ShareLifecycle implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private wasReady = false;

  constructor(@Inject(shareParts) private readonly parts: ShareParts) {}

  /** Starts without waiting for ever: what is away comes later, and each request says what it lacks. */
  async onApplicationBootstrap(): Promise<void> {
    const { redis, processId, replies, leaderboards, feed, features, events, admission } = this.parts;
    const { channels, clock } = redis;
    clock.start();
    subscribeReplies(channels, processId, (message) => replies.accept(message));
    subscribeFeed(channels, (entries) => {
      leaderboards.hear(entries);
      feed.hear(entries);
    });
    subscribeEventsChanged(channels, () => void events.poll());
    await clock.whenReady(startWaitMaxMs);
    admission.start();
    await Promise.all([features.start(), events.start(), channels.whenSubscribed(startWaitMaxMs)]);
  }

  /**
   * True since Redis and the events were there for the first time. A dependency that goes away later is answered per request: taking every
   * replica out of rotation would take away the pages, which do without it.
   */
  isReady(): boolean {
    this.wasReady ||= this.parts.events.isKnown() && this.parts.redis.clock.nowMs() !== undefined;
    return this.wasReady;
  }

  onModuleDestroy(): void {
    this.parts.feed.close();
  }

  async onApplicationShutdown(): Promise<void> {
    const { producer, replies, features, events, redis, pool, admission } = this.parts;
    admission.stop();
    await producer.close(producerCloseMaxMs);
    replies.close();
    await Promise.all([features.stop(), events.stop()]);
    await redis.close();
    await pool.end();
  }
}
