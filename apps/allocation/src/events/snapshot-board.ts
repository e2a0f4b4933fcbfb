import type { EventRecord } from '#libs/database';
import { isRedisAway, publishEvents, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import { snapshotOf } from './event-snapshot.ts';

/**
 * The board in Redis from which gateways learn of events. A command tells its event at once, so that nobody waits for the next
 * second; that may fail or cross with another process's news, and the keeper of the board puts it right within its next round.
 */
export class SnapshotBoard {
  constructor(
    private readonly cache: RedisClient,
    private readonly logger: Logger,
    private readonly stockLeadMs: number,
  ) {}

  /** Writes the snapshots that differ from what is on the board. @throws the client's error while Redis is away. */
  async publish(events: readonly EventRecord[]): Promise<number> {
    const snapshots = events
      .map((event) => snapshotOf(event, this.stockLeadMs))
      .filter((snapshot) => snapshot !== undefined);
    const { changed } = await publishEvents(this.cache, snapshots);
    return changed;
  }

  /** As `publish`, for one event; while Redis is away it is left to the keeper of the board. */
  async tell(event: EventRecord): Promise<void> {
    try {
      await this.publish([event]);
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      this.logger.warn({ eventId: event.id, err: error }, 'event snapshot waits for Redis');
    }
  }
}
