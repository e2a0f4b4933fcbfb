import { randomBytes } from 'node:crypto';
import { armEvent, type EventRecord, type Pool, type PrismaClient } from '#libs/database';
import { canonicalPlan, commitmentOf, eventSecretBytesMin } from '#libs/domain';
import type { StoreClock } from '#libs/redis';
import { conflict, type EventOutcome } from './event-outcome.ts';
import { loadEvent } from './event-store.ts';
import type { SnapshotBoard } from './snapshot-board.ts';

export interface ArmEventDeps {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly clock: StoreClock;
  readonly board: SnapshotBoard;
  readonly openLaneCount: number;
  readonly grabLaneCount: number;
}

/**
 * Arms a draft: makes its secret, publishes the commitment to secret and plan, fixes its lanes and funds its pools, in one
 * transaction. From here on the plan cannot change.
 */
export class ArmEvent {
  constructor(private readonly deps: ArmEventDeps) {}

  async arm(eventId: number): Promise<EventOutcome> {
    const { prisma, clock, board } = this.deps;
    const event = await loadEvent(prisma, eventId);
    if (event === undefined) return { outcome: 'event_unknown' };
    if (event.state === 'armed' || event.state === 'live') return { outcome: 'done', event };
    if (event.state !== 'draft') return conflict(event, 'armed');
    const nowMs = clock.nowMs();
    if (nowMs === undefined) return { outcome: 'store_away' };
    if (nowMs >= event.endsAtMs) return conflict(event, 'armed', 'its end is past');
    const isArmed = await this.commit(event, nowMs);
    // somebody else was first, or something else came of it: what is there now decides
    if (!isArmed) return this.arm(eventId);
    const armed = await loadEvent(prisma, eventId);
    await board.tell(armed!);
    return { outcome: 'done', event: armed! };
  }

  private commit(event: EventRecord, atMs: number): Promise<boolean> {
    const { pool, openLaneCount, grabLaneCount } = this.deps;
    const secret = randomBytes(eventSecretBytesMin);
    const plan = canonicalPlan({ ...event, eventId: event.id });
    return armEvent(pool, {
      eventId: event.id,
      atMs,
      secret,
      secretCommitment: commitmentOf(secret, plan),
      canonicalPlan: plan,
      openLaneCount,
      grabLaneCount,
    });
  }
}
