import type { EventSnapshot, GrabAnswer, GrabItem, GrabOutcome } from '#libs/contracts';
import { findEventState, findGrab, type Pool } from '#libs/database';
import type { DegradationHolder, ReplyMean } from '#libs/degradation';
import { type Claim, hasPacket, laneOfPacket, packetRefOf } from '#libs/domain';
import {
  findOutstanding,
  grabLane,
  type Lane,
  type LaneAddition,
  type LaneProducer,
  lookAtOutstanding,
} from '#libs/queue';
import type { RedisClient, StoreClock } from '#libs/redis';
import { type Counter, ProblemError } from '#libs/runtime';
import { throwLedgerProblem, throwQueueProblem } from './away.ts';
import type { EventDirectory } from './event-directory.ts';
import { type DurableGrab, GrabsUnderWay, type SentGrab } from './grabs-under-way.ts';
import { type FinalOutcome, isFinal, keyOf, type RecentOutcomes } from './recent-outcomes.ts';
import { isShareOf, shareKeyOf } from './share-claim.ts';
import type { SharePages } from './share-pages.service.ts';

/** Polling again after a `pending`, at tier 0. */
const pollAfterBaseMs = 1000;
/** How long a grab counts as under way; after that its lane is slow, and the grab waits there on its own. */
const awaitedDefaultMaxMs = 4000;
/** After an item was settled its reply is on its way; after so long it was lost. */
const replyLateMaxMs = 1000;

export interface GrabsLimits {
  readonly acceptMaxMs: number;
  readonly replyWaitMs: number;
  /** Grabs that are being made durable, or whose outcome is to come any moment. */
  readonly inFlightMax: number;
  /** Grabs that wait in slow lanes, beside those. */
  readonly parkedMax: number;
  readonly awaitedMaxMs?: number | undefined;
}

export interface GrabsParts {
  readonly pool: Pool;
  readonly cache: RedisClient;
  readonly clock: Pick<StoreClock, 'nowMs'>;
  readonly producer: Pick<LaneProducer<GrabItem, GrabOutcome>, 'add'>;
  readonly events: EventDirectory;
  readonly features: DegradationHolder;
  readonly outcomes: RecentOutcomes;
  readonly pages: SharePages;
  readonly limits: GrabsLimits;
  readonly counter: Counter<'outcome'>;
  /** Told how long each grab took that its lane answered. */
  readonly replyTimes: Pick<ReplyMean, 'add'>;
  readonly monotonicMs: () => number;
}

/** Grabs: put into the packet's lane, answered by reply. */
export class Grabs {
  private readonly underWay: GrabsUnderWay;

  constructor(private readonly parts: GrabsParts) {
    const { inFlightMax, parkedMax, awaitedMaxMs = awaitedDefaultMaxMs } = parts.limits;
    this.underWay = new GrabsUnderWay({ awaitedMax: inFlightMax, parkedMax, awaitedMaxMs });
  }

  /**
   * Takes a portion for the user; repeating gives the same outcome (invariant 7).
   * @throws ProblemError `feature_off`, `share_invalid`, `share_expired`, `overloaded`, `queue_unavailable`, `dependency_unavailable`.
   */
  async grab(claim: Claim, userId: string): Promise<GrabAnswer> {
    const { features, outcomes, clock } = this.parts;
    if (!features.isOn('grabs')) throw new ProblemError('feature_off');
    const known = outcomes.get(claim, userId) ?? this.outcomeOfComplete(claim, userId);
    if (known !== undefined) return this.answer(known);
    const nowMs = clock.nowMs();
    if (nowMs === undefined) throw new ProblemError('queue_unavailable', 'the store clock is not known');
    if (nowMs >= claim.atMs) return this.grabAfterEnd(claim, userId);
    const grab = await this.join(claim, userId, nowMs);
    const outcome = await this.wait(grab);
    this.countReply(grab, outcome);
    return this.answer(outcome);
  }

  /** Grabs under way now: those that wait in slow lanes are not. */
  inFlight(): number {
    return this.underWay.awaitedCount();
  }

  /** Grabs that wait in slow lanes. */
  parked(): number {
    return this.underWay.parkedCount();
  }

  /** Of a share that is known to be used up, everybody's outcome is known. */
  private outcomeOfComplete(claim: Claim, userId: string): FinalOutcome | undefined {
    const state = this.parts.pages.completeStateOf(claim.packetId);
    if (state?.share === undefined) return undefined;
    if (!isShareOf(state.share, claim)) return { outcome: 'taken' };
    const own = state.grabs.find((grab) => grab.userId === userId);
    return own ? { outcome: 'credited', amountFen: own.amountFen, portion: own.portion } : { outcome: 'empty' };
  }

  /**
   * One item per packet and user at a time: who asks again waits for the same one, but only while something can come of it. One that is
   * outstanding no more was settled, perhaps with "no grant yet"; when its reply does not come soon it is lost (invariant 6).
   */
  private async join(claim: Claim, userId: string, nowMs: number): Promise<SentGrab> {
    const key = keyOf(claim, userId);
    const known = this.underWay.get(key);
    if (known !== undefined && (await this.canAnswer(known, claim, nowMs))) return known;
    const current = this.underWay.get(key);
    // somebody else asked at the same time
    if (current !== undefined && current !== known) return current;
    const full = this.underWay.fullOf();
    if (full !== undefined) throw new ProblemError('overloaded', tooMany[full]);
    return this.send(key, claim, userId, nowMs);
  }

  private async canAnswer(grab: SentGrab, claim: Claim, nowMs: number): Promise<boolean> {
    if (grab.stage === 'resting') return true;
    const { jobId } = await grab.accepted;
    const lane = this.laneOf(claim, this.eventOf(claim));
    const outstanding = await findOutstanding(this.parts.cache, lane, [jobId]).catch(throwQueueProblem);
    if (outstanding.has(jobId)) return true;
    grab.settledSinceMs ??= nowMs;
    return nowMs - grab.settledSinceMs < replyLateMaxMs;
  }

  private send(key: string, claim: Claim, userId: string, acceptedAtMs: number): SentGrab {
    const { packetId, eventId, epoch, sponsorNo, userId: ownerId } = claim;
    const item = { packetId: String(packetId), eventId, ownerId, userId, epoch, sponsorNo, acceptedAtMs };
    const event = this.eventOf(claim);
    // durable well before its event may be settled, whatever the two services were told
    const withinMs = Math.min(this.parts.limits.acceptMaxMs, event.graceMs / 2);
    const addition = this.parts.producer.add(this.laneOf(claim, event), item, acceptedAtMs + withinMs);
    return this.underWay.keep(key, addition.then(durable), this.parts.monotonicMs(), (outcome) =>
      this.remember(claim, userId, outcome),
    );
  }

  private remember(claim: Claim, userId: string, outcome: GrabOutcome): void {
    if (!isFinal(outcome)) return;
    this.parts.outcomes.set(claim, userId, outcome);
    if (outcome.outcome === 'credited') this.parts.pages.outdate(claim.packetId);
  }

  /** Tier 3 (defer): what is durable is answered at once and waits in its lane, which is slow. */
  private async wait(grab: SentGrab): Promise<GrabOutcome | undefined> {
    await grab.accepted;
    if (this.parts.features.modeOf('grabs') === 'deferred') {
      this.underWay.park(grab);
      return undefined;
    }
    return within(grab.outcome, this.parts.limits.replyWaitMs);
  }

  /**
   * What is answered from memory took no time and is not counted: it would hide that the lanes are slow. Who asks again for a grab that is
   * under way waits for less than it takes, so the time is counted from when it came first.
   */
  private countReply({ cameAtMs }: SentGrab, outcome: GrabOutcome | undefined): void {
    if (cameAtMs === undefined || outcome === undefined || !isFinal(outcome)) return;
    this.parts.replyTimes.add(this.parts.monotonicMs() - cameAtMs);
  }

  /**
   * Shares have ended: nothing is accepted any more, but what was accepted before is honoured (invariant 6). The store takes it within
   * `acceptMaxMs` or never; from then on by its own clock, when nothing older than the end is outstanding in the lane, the ledger has
   * the last word.
   */
  private async grabAfterEnd(claim: Claim, userId: string): Promise<GrabAnswer> {
    const isFinal = await this.isQuiet(claim);
    const own = await findGrab(this.parts.pool, shareKeyOf(claim), userId).catch(throwLedgerProblem);
    if (own === undefined && !isFinal) return this.answer(undefined);
    const outcome: FinalOutcome = own
      ? { outcome: 'credited', amountFen: own.amountFen, portion: own.portion }
      : { outcome: 'expired' };
    this.remember(claim, userId, outcome);
    return this.answer(outcome);
  }

  /** True when no grab that was accepted before the end can be on its way. */
  private async isQuiet(claim: Claim): Promise<boolean> {
    // settle waited for the event's lanes; Redis names a settled event for a while only
    if (this.parts.events.find(claim.eventId) === undefined && (await this.isSettled(claim))) return true;
    const lane = this.laneOf(claim, this.eventOf(claim));
    const { nowMs, oldestMs } = await lookAtOutstanding(this.parts.cache, lane).catch(throwQueueProblem);
    return nowMs >= claim.atMs + this.parts.limits.acceptMaxMs && (oldestMs ?? claim.atMs) >= claim.atMs;
  }

  private async isSettled({ eventId }: Claim): Promise<boolean> {
    const state = await findEventState(this.parts.pool, eventId).catch(throwLedgerProblem);
    return state === undefined || state === 'settled';
  }

  /** @throws ProblemError `dependency_unavailable` when the event is not known here (yet): lanes are fixed per event. */
  private eventOf(claim: Claim): EventSnapshot {
    const event = this.parts.events.find(claim.eventId);
    if (event === undefined) throw new ProblemError('dependency_unavailable', 'the event is not known yet');
    return event;
  }

  /**
   * @throws ProblemError `share_invalid` when the event has no such packet: whoever signed that has the key, and must not get it among the
   * grabs of others.
   */
  private laneOf(claim: Claim, event: EventSnapshot): Lane {
    const ref = packetRefOf(claim.packetId);
    const pool = event.pools.find(({ poolId }) => poolId === ref.poolId);
    if (pool === undefined || pool.sponsorNo !== claim.sponsorNo || !hasPacket(pool, ref))
      throw new ProblemError('share_invalid', 'the event has no such packet');
    return grabLane(laneOfPacket(claim.packetId, event.grabLaneCount));
  }

  private answer(outcome: GrabOutcome | undefined): GrabAnswer {
    this.parts.counter.inc({ outcome: outcome?.outcome ?? 'pending' });
    switch (outcome?.outcome) {
      case 'credited':
        return { status: 'credited', amountFen: outcome.amountFen, portion: outcome.portion };
      case 'empty':
        return { status: 'empty' };
      case 'taken':
      case 'expired':
        throw new ProblemError('share_expired');
      case 'no_grant_yet':
      case 'dead':
      case undefined:
        return { status: 'pending', pollAfterMs: this.parts.features.pollAfterMs(pollAfterBaseMs) };
    }
  }
}

const tooMany = { awaited: 'too many grabs are under way', parked: 'too many grabs wait in their lanes' } as const;

/** @throws ProblemError `queue_unavailable` when it may or may not run, `overloaded` when it certainly does not. */
function durable(addition: LaneAddition<GrabOutcome>): DurableGrab {
  switch (addition.status) {
    case 'durable':
      return addition;
    case 'queue_unavailable':
      throw new ProblemError('queue_unavailable');
    case 'buffer_full':
    case 'too_late':
      throw new ProblemError('overloaded', 'the lane is behind');
  }
}

/** The value, or undefined when it does not come within `waitMs`. Rejects as the promise does. */
async function within<T>(promise: Promise<T>, waitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, waitMs, undefined);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
