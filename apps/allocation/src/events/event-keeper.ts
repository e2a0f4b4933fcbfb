import { type EventRecord, loadEvents, moveEvent, type PoolClient, type PrismaClient } from '#libs/database';
import { eventStateDue } from '#libs/domain';
import { EventReader, type RedisClient, removeEvents } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { SnapshotBoard } from './snapshot-board.ts';

/** How often events are read again and the board of snapshots is put right. */
const reloadMs = 1000;
/** How long a settled event stays on the board, with its revealed secret. */
export const settledOnBoardMs = 3_600_000;
/** How often the board is searched for events that no longer belong there. */
const sweepMs = 30_000;

export interface EventKeeperDeps {
  readonly prisma: PrismaClient;
  readonly cache: RedisClient;
  readonly board: SnapshotBoard;
  readonly logger: Logger;
}

/**
 * Moves events on by the store clock (armed → live → closed) and keeps the board of snapshots in Redis true: each second it is
 * compared with the database, so a lost Redis, a failed write and news that crossed are all put right.
 */
export class EventKeeper {
  private events: readonly EventRecord[] = [];
  private reloadedAt = Number.NEGATIVE_INFINITY;
  private sweptAt = Number.NEGATIVE_INFINITY;
  private readonly reader: EventReader;

  constructor(private readonly deps: EventKeeperDeps) {
    this.reader = new EventReader(deps.cache);
  }

  /** The events that go on, after what was due was done. @throws the database's or the client's error. */
  async keep(client: PoolClient, nowMs: number): Promise<readonly EventRecord[]> {
    const isReloadDue = performance.now() - this.reloadedAt >= reloadMs;
    if (isReloadDue) await this.reload(nowMs);
    const isMoved = await this.advance(client, nowMs);
    if (isMoved) await this.reload(nowMs);
    if (isReloadDue || isMoved) await this.deps.board.publish(this.events);
    if (performance.now() - this.sweptAt >= sweepMs) await this.sweep();
    return this.events.filter(({ state }) => state !== 'settled');
  }

  private async reload(nowMs: number): Promise<void> {
    this.events = await loadEvents(this.deps.prisma, {
      states: ['armed', 'live', 'closed'],
      settledSinceMs: nowMs - settledOnBoardMs,
    });
    this.reloadedAt = performance.now();
  }

  private async advance(client: PoolClient, nowMs: number): Promise<boolean> {
    let isMoved = false;
    for (const event of this.events) {
      const { id: eventId, state: from } = event;
      const to = eventStateDue(event, nowMs);
      if (to === from || (from !== 'armed' && from !== 'live') || (to !== 'live' && to !== 'closed')) continue;
      // an event that ends by the clock ended then, however late that is written down
      const atMs = to === 'closed' ? event.endsAtMs : nowMs;
      if (await moveEvent(client, { eventId, from, to, atMs }))
        this.deps.logger.info({ eventId, from, to }, 'event moved');
      isMoved = true;
    }
    return isMoved;
  }

  /** Takes events off the board that were settled long ago, or that this database never had. */
  private async sweep(): Promise<void> {
    const { prisma, cache } = this.deps;
    const kept = new Set(this.events.map(({ id }) => id));
    const strange = (await this.reader.read()).map(({ id }) => id).filter((id) => !kept.has(id));
    // one that was armed since the last reload is no stranger
    const going =
      strange.length === 0 ? [] : await loadEvents(prisma, { ids: strange, states: ['armed', 'live', 'closed'] });
    const goingIds = new Set(going.map(({ id }) => id));
    await removeEvents(
      cache,
      strange.filter((id) => !goingIds.has(id)),
    );
    this.sweptAt = performance.now();
  }
}
