import { moveEvent, type Pool, type PrismaClient } from '#libs/database';
import type { StoreClock } from '#libs/redis';
import { conflict, type EventOutcome } from './event-outcome.ts';
import { loadEvent } from './event-store.ts';
import type { SnapshotBoard } from './snapshot-board.ts';

export interface CloseEventDeps {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly clock: StoreClock;
  readonly board: SnapshotBoard;
}

/** Ends the shakes now. Tickets and shares that are out still count; gateways stop drawing as they hear of it. */
export class CloseEvent {
  constructor(private readonly deps: CloseEventDeps) {}

  async close(eventId: number): Promise<EventOutcome> {
    const { pool, prisma, clock, board } = this.deps;
    const event = await loadEvent(prisma, eventId);
    if (event === undefined) return { outcome: 'event_unknown' };
    const { state } = event;
    if (state === 'closed' || state === 'settled') return { outcome: 'done', event };
    if (state === 'draft') return conflict(event, 'closed');
    const nowMs = clock.nowMs();
    if (nowMs === undefined) return { outcome: 'store_away' };
    const isClosed = await moveEvent(pool, { eventId, from: state, to: 'closed', atMs: nowMs });
    if (!isClosed) return this.close(eventId);
    const closed = await loadEvent(prisma, eventId);
    await board.tell(closed!);
    return { outcome: 'done', event: closed! };
  }
}
