import type { TierWatch } from '#libs/contracts';
import {
  beginControl,
  noMemory,
  type Observation,
  type ObservationMemory,
  type Readings,
  readSignals,
  reasonOfChange,
  stepControl,
  type TierControl,
} from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { holdTierLease, isRedisAway, type RedisClient, releaseTierLease, type TierLease } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { DegradationKeeper } from './degradation-keeper.ts';
import type { TierObserver } from './tier-observer.ts';

const stepIntervalMs = 1000;
/** A leader that is silent for so long is not one any more. */
const leaseMs = 5000;
/** Steps in a row that a holder of the lease may fail at, for whatever reason but Redis being away. */
const failuresMax = 3;
/** Whoever failed so often takes the lease no more for this long: the others ask for it each second. */
const restMs = 15_000;

export interface TierLeaderParts {
  readonly redis: RedisClient;
  readonly keeper: Pick<DegradationKeeper, 'known' | 'state' | 'putAutoTier'>;
  readonly observer: TierObserver;
  /** Unique among operations processes. */
  readonly leaderId: string;
  /** False: watches, and holds tier 0. */
  readonly isControlling: boolean;
  readonly log: Logger;
  /** Store milliseconds. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

const uncontrolled = { tier: 0, reason: 'TIER_CONTROL is off' } as const;

/** What the holder of the lease goes by. */
interface Lead {
  readonly control: TierControl;
  /** Of the present tier. */
  readonly reason: string;
  readonly memory: ObservationMemory;
  readonly readings: Readings;
}

/**
 *   standing_by  the lease was free → trying
 *   trying       a step was done → leading; `failuresMax` in a row failed: the lease is given back → resting; lease lost → standing_by
 *   leading      a step failed → trying; lease lost → standing_by
 *   resting      after `restMs`: as standing_by
 *
 * In `trying` and `leading` this process holds the lease, as far as it knows. Lost is a lease that another one has, or that could not be
 * kept for its length.
 */
type Duty =
  | { readonly status: 'standing_by' }
  | { readonly status: 'trying'; readonly lead: Lead; readonly failures: number }
  | { readonly status: 'leading'; readonly lead: Lead }
  | { readonly status: 'resting'; readonly untilMs: number };

type HoldingDuty = Extract<Duty, { readonly lead: Lead }>;

const standingBy: Duty = { status: 'standing_by' };
const isHolding = (duty: Duty): duty is HoldingDuty => duty.status === 'trying' || duty.status === 'leading';
const failuresOf = (duty: Duty): number => (duty.status === 'trying' ? duty.failures : 0);

/**
 * Each second the one operations process that holds the lease looks at the signals and sets the tier; the others stand by. One that holds
 * it and cannot do its work gives it back, so that another one can.
 */
export class TierLeader {
  private duty: Duty = standingBy;
  private seen: TierWatch | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stepping: Promise<void> | undefined;
  private isFailing = false;
  private heldAtMs = Number.NEGATIVE_INFINITY;
  /** Changes that this process made, for its metrics. */
  readonly changes = { up: 0, down: 0 };

  constructor(private readonly parts: TierLeaderParts) {}

  /** It holds the lease, and its last step was done. */
  get isLeading(): boolean {
    return this.duty.status === 'leading';
  }

  /** What the signals show, while this process leads. */
  get readings(): Readings {
    return this.duty.status === 'leading' ? this.duty.lead.readings : {};
  }

  /** What the one who leads saw last; undefined while nobody leads. */
  watch(): TierWatch | undefined {
    return this.seen !== undefined && this.parts.nowMs() - this.seen.atMs < leaseMs ? this.seen : undefined;
  }

  start(): void {
    this.timer = setInterval(() => void this.tick(), stepIntervalMs);
    this.timer.unref();
    void this.tick();
  }

  /** Ends, and lets another one lead at once. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.stepping;
    if (!isHolding(this.duty)) return;
    this.duty = standingBy;
    await this.release();
  }

  /** One step at a time; a slow store must not pile them up. */
  private tick(): Promise<void> {
    this.stepping ??= this.stepOrTell().finally(() => {
      this.stepping = undefined;
    });
    return this.stepping;
  }

  private async stepOrTell(): Promise<void> {
    try {
      await this.step();
      this.isFailing = false;
    } catch (err) {
      if (!this.isFailing) this.parts.log.warn({ err }, 'the tier cannot be set; the last one holds');
      this.isFailing = true;
      await this.fail(err);
    }
  }

  /** While Redis is away nobody else could do better, and the lease ends there by itself; otherwise another process perhaps can. */
  private async fail(err: unknown): Promise<void> {
    const { duty } = this;
    if (!isHolding(duty)) return;
    const isAway = isRedisAway(err);
    const failures = failuresOf(duty) + (isAway ? 0 : 1);
    const isLapsed = isAway && this.parts.monotonicMs() - this.heldAtMs > leaseMs;
    this.duty = isLapsed ? standingBy : { status: 'trying', lead: duty.lead, failures };
    if (failures >= failuresMax) await this.rest();
  }

  private async rest(): Promise<void> {
    this.duty = { status: 'resting', untilMs: this.parts.monotonicMs() + restMs };
    this.parts.log.error(
      { failures: failuresMax, restMs },
      'this process cannot set the tier: it lets another one try',
    );
    await this.release();
  }

  private async release(): Promise<void> {
    await releaseTierLease(this.parts.redis, this.parts.leaderId).catch((err: unknown) =>
      this.parts.log.info({ err }, 'the lease could not be given back: it ends by itself'),
    );
  }

  private async step(): Promise<void> {
    const { monotonicMs, observer, keeper } = this.parts;
    // whoever could not write must not keep others from it
    if (keeper.known() === undefined) return;
    if (this.duty.status === 'resting' && monotonicMs() < this.duty.untilMs) return;
    const askedAtMs = monotonicMs();
    const lease = await this.hold();
    const redisMs = monotonicMs() - askedAtMs;
    const duty = this.dutyBy(lease);
    this.duty = duty;
    if (!isHolding(duty)) return;
    const lead = nextLead(duty.lead, await observer.observe(redisMs), monotonicMs());
    // what was seen counts, also if it cannot be told
    this.duty = { ...duty, lead };
    const { control, readings, reason } = lead;
    if (!(await this.put(this.parts.isControlling ? { tier: control.tier, reason } : uncontrolled))) return;
    this.duty = { status: 'leading', lead };
    this.seen = { leader: this.parts.leaderId, atMs: Math.floor(this.parts.nowMs()), readings: { ...readings } };
  }

  private hold(): Promise<TierLease> {
    const { redis, leaderId: holderId } = this.parts;
    return holdTierLease(redis, { holderId, leaseMs, watch: this.isLeading ? this.watch() : undefined });
  }

  /** A lease that was taken anew, also by the one who had it before, begins anew: what was in between is not known. */
  private dutyBy(lease: TierLease): Duty {
    if (lease.status === 'other') {
      if (isHolding(this.duty)) this.tellOf(lease.holder);
      this.seen = lease.watch;
      return standingBy;
    }
    this.heldAtMs = this.parts.monotonicMs();
    if (lease.status === 'kept' && isHolding(this.duty)) return this.duty;
    const known = this.parts.keeper.state();
    this.parts.log.info({ tier: known.autoTier }, 'this process sets the tier');
    const control = beginControl(known.autoTier as Tier, this.heldAtMs);
    const lead: Lead = { control, memory: noMemory, readings: {}, reason: known.autoReason ?? 'as it was' };
    return { status: 'trying', lead, failures: failuresOf(this.duty) };
  }

  /** False: it turned out that this process does not lead. */
  private async put({ tier, reason }: { readonly tier: Tier; readonly reason: string }): Promise<boolean> {
    const { keeper, leaderId, log } = this.parts;
    const before = keeper.known()?.autoTier ?? tier;
    const result = await keeper.putAutoTier(tier, reason, leaderId);
    if (result === 'not_leader') {
      this.duty = standingBy;
      this.tellOf(undefined);
      return false;
    }
    if (result === 'written') {
      this.changes[tier > before ? 'up' : 'down'] += 1;
      log.warn({ before, tier, reason }, 'the tier was changed');
    }
    return true;
  }

  private tellOf(holder: string | undefined): void {
    this.parts.log.info({ holder }, 'another process sets the tier');
  }
}

function nextLead(lead: Lead, observation: Observation, nowMs: number): Lead {
  const { readings, memory } = readSignals(lead.memory, observation);
  const control = stepControl(lead.control, { nowMs, readings });
  const [before, after] = [lead.control.tier, control.tier];
  const reason = before === after ? lead.reason : reasonOfChange(readings, before, after);
  return { control, memory, readings, reason };
}
