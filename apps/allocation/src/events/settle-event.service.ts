import type { Reconciliation } from '#libs/contracts';
import {
  beginSettlement,
  closeBlocks,
  countOpenDeadLetters,
  type EventRecord,
  hasRetiredBlocks,
  loadEventSecret,
  moveEvent,
  type Pool,
  type PrismaClient,
  readLastIssueUntil,
  settleEvent,
} from '#libs/database';
import { eventStateDue } from '#libs/domain';
import { isRedisAway, type RedisClient, type StoreClock } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { Reconciler } from '../reconciliation/reconciler.ts';
import { conflict, type EventOutcome } from './event-outcome.ts';
import { loadEvent } from './event-store.ts';
import { type LanesState, lookAtLanes, type QuietLanes } from './quiet-lanes.ts';
import { isClosedEarly, type Stocked, settleAtMs } from './settle-time.ts';
import type { SnapshotBoard } from './snapshot-board.ts';

export interface SettleEventDeps {
  readonly pool: Pool;
  readonly reconciler: Pick<Reconciler, 'prove'>;
  readonly prisma: PrismaClient;
  readonly cache: RedisClient;
  readonly clock: StoreClock;
  readonly board: SnapshotBoard;
  readonly logger: Logger;
  readonly stockLeadMs: number;
  /** How long phones have for coming with their receipts after the store was replaced. */
  readonly receiptGraceMs: number;
  /** How long one call waits for the lanes to be quiet. */
  readonly quietWaitMaxMs: number;
}

/** Between two looks at lanes that are still busy. */
const quietPollMs = 100;
/** What `possibleAt` adds to now when accepted items are still under way: lanes that work need far less. */
const busyLaneRetryMs = 5000;
/** Blocks per transaction: short ones, so that an event of millions of blocks holds nothing up. */
const closeBlocksMax = 10_000;

/**
 * Ends the life of an event: closes its blocks, refunds what nobody claimed and reveals the secret. Each step is idempotent and
 * rests on what the ones before it committed, so a call that died anywhere is finished by the next one with the same result:
 * from `beginSettlement` on nothing is granted or grabbed, hence the refunds are the same whenever they are computed. What is
 * refunded is what the money proof finds unclaimed by derivation, and only if the whole proof holds.
 */
export class SettleEvent {
  constructor(private readonly deps: SettleEventDeps) {}

  async settle(eventId: number): Promise<EventOutcome> {
    try {
      return await this.settleOrRefuse(eventId);
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      return { outcome: 'store_away' };
    }
  }

  private async settleOrRefuse(eventId: number): Promise<EventOutcome> {
    const event = await loadEvent(this.deps.prisma, eventId);
    if (event === undefined) return { outcome: 'event_unknown' };
    if (event.state === 'settled') return { outcome: 'done', event };
    if (event.settlingAtMs === undefined) {
      const refusal = await this.findRefusal(event);
      if (refusal === 'moved') return this.settleOrRefuse(eventId);
      if (refusal !== undefined) return refusal;
    }
    return this.finish(event);
  }

  /** Why the event cannot be settled now; 'moved' when its end was due and is written down now. */
  private async findRefusal(event: EventRecord): Promise<EventOutcome | 'moved' | undefined> {
    const nowMs = this.deps.clock.nowMs();
    if (nowMs === undefined) return { outcome: 'store_away' };
    if (event.state !== 'closed') return (await this.closeIfDue(event, nowMs)) ? 'moved' : conflict(event, 'settled');
    const stocked = await this.stockedOf(event);
    const possibleAtMs = settleAtMs(event, stocked);
    if (nowMs < possibleAtMs) {
      return { outcome: 'too_early', possibleAtMs, detail: 'tickets or shares of the event are still valid' };
    }
    // in this order: what leaves a lane as a dead letter is there when the lane is quiet
    return (await this.refuseBusyLanes(event, stocked)) ?? this.refuseDeadLetters(event);
  }

  private async stockedOf(event: EventRecord): Promise<Stocked> {
    const { pool, stockLeadMs: leadMs } = this.deps;
    // an event that ended by the clock stocks nothing beyond its end
    return { leadMs, issueUntilMs: isClosedEarly(event) ? await readLastIssueUntil(pool, event.id) : undefined };
  }

  /** A dead letter is an accepted open or grab as well: its money is not given back before somebody looked at it. */
  private async refuseDeadLetters(event: EventRecord): Promise<EventOutcome | undefined> {
    const letters = await countOpenDeadLetters(this.deps.pool, event.id);
    return letters === 0 ? undefined : conflict(event, 'settled', `${letters} dead letter(s) of it wait for a replay`);
  }

  private async closeIfDue(event: EventRecord, nowMs: number): Promise<boolean> {
    const { state, id, endsAtMs } = event;
    if ((state !== 'armed' && state !== 'live') || eventStateDue(event, nowMs) !== 'closed') return false;
    await moveEvent(this.deps.pool, { eventId: id, from: state, to: 'closed', atMs: endsAtMs });
    return true;
  }

  private async refuseBusyLanes(event: EventRecord, stocked: Stocked): Promise<EventOutcome | undefined> {
    const lanes = await this.waitForQuietLanes(event, stocked);
    if (lanes.state === 'quiet') return this.refuseFreshStore(event, lanes);
    const nowMs = this.deps.clock.nowMs();
    if (nowMs === undefined || lanes.state === 'store_changed') return { outcome: 'store_away' };
    const detail = `lane ${lanes.lane} still has items that were accepted ${nowMs - lanes.oldestMs} ms ago`;
    return { outcome: 'too_early', possibleAtMs: nowMs + busyLaneRetryMs, detail };
  }

  /**
   * A store that took another's place does not know what was on its way there: jobs that were lost are put into its lanes again when phones come with
   * their receipts (invariants 6, 10). Asked after the look at the stamp, so that no change of the store is missed.
   */
  private async refuseFreshStore(event: EventRecord, store: QuietLanes): Promise<EventOutcome | undefined> {
    const possibleAtMs = store.stampedAtMs + this.deps.receiptGraceMs;
    if (store.storeMs >= possibleAtMs || !(await hasRetiredBlocks(this.deps.pool, event.id))) return undefined;
    const detail = 'Redis was replaced: phones may still come with receipts of opens that it does not know';
    return { outcome: 'too_early', possibleAtMs, detail };
  }

  /** Invariant 6: what was accepted of the event is booked before anything is refunded. */
  private async waitForQuietLanes(event: EventRecord, stocked: Stocked): Promise<LanesState> {
    const { cache, quietWaitMaxMs } = this.deps;
    const deadline = performance.now() + quietWaitMaxMs;
    for (;;) {
      const lanes = await lookAtLanes(cache, event, stocked);
      if (lanes.state === 'quiet' || performance.now() >= deadline) return lanes;
      await new Promise((resolve) => setTimeout(resolve, quietPollMs));
    }
  }

  private async finish(event: EventRecord): Promise<EventOutcome> {
    const { pool, prisma, reconciler, board, clock, logger } = this.deps;
    const atMs = clock.nowMs();
    if (atMs === undefined) return { outcome: 'store_away' };
    if (!(await beginSettlement(pool, { eventId: event.id, atMs }))) return this.settledMeanwhile(event.id);
    while ((await closeBlocks(pool, { eventId: event.id, limit: closeBlocksMax })) > 0);
    // nothing is booked any more: what the proof finds now stays so
    const proof = await reconciler.prove(event.id);
    if (proof?.balanced !== true) return this.refuseUnproven(event, proof);
    const refunds = proof.pools.map(({ poolId, unclaimedFen }) => ({ poolId, amountFen: unclaimedFen }));
    const secret = await loadEventSecret(pool, event.id);
    if (secret === undefined) throw new Error(`event ${event.id} was armed and has no secret`);
    const isSettled = await settleEvent(pool, {
      eventId: event.id,
      atMs,
      revealedSecret: secret.toString('hex'),
      refunds,
    });
    if (!isSettled) return this.settledMeanwhile(event.id);
    const settled = await loadEvent(prisma, event.id);
    await board.tell(settled!);
    logger.info({ eventId: event.id, refundedFen: refunds.reduce((sum, r) => sum + r.amountFen, 0) }, 'event settled');
    return { outcome: 'done', event: settled! };
  }

  /** A ledger that does not add up refunds nothing: somebody must look first (invariant 8). */
  private refuseUnproven(event: EventRecord, proof: Reconciliation | undefined): EventOutcome {
    const violations = proof?.violations ?? [];
    this.deps.logger.fatal({ eventId: event.id, violations: violations.slice(0, 10) }, 'the ledger does not add up');
    return conflict(
      event,
      'settled',
      `its ledger does not add up (${violations.length} violations, see the reconciliation)`,
    );
  }

  /** Another call may have been faster: then its result is the result. */
  private async settledMeanwhile(eventId: number): Promise<EventOutcome> {
    const event = await loadEvent(this.deps.prisma, eventId);
    if (event === undefined) return { outcome: 'event_unknown' };
    return event.state === 'settled' ? { outcome: 'done', event } : conflict(event, 'settled');
  }
}
