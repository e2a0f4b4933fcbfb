import type { TierWatch } from '#libs/contracts';
import {
  beginControl,
  noMemory,
  type ObservationMemory,
  type Readings,
  readSignals,
  reasonOfChange,
  stepControl,
  type TierControl,
} from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { holdTierLease, type RedisClient, releaseTierLease, type TierLease } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { DegradationKeeper } from './degradation-keeper.ts';
import type { TierObserver } from './tier-observer.ts';

const stepIntervalMs = 1000;
/** A leader that is silent for so long is not one any more. */
const leaseMs = 5000;

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

/** What this process leads with; undefined in those that do not lead. */
interface Lead {
  readonly control: TierControl;
  /** Of the present tier. */
  readonly reason: string;
  readonly memory: ObservationMemory;
  readonly readings: Readings;
}

/** Each second the one operations process that holds the lease looks at the signals and sets the tier; the others stand by. */
export class TierLeader {
  private lead: Lead | undefined;
  private seen: TierWatch | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stepping: Promise<void> | undefined;
  private isFailing = false;
  private heldAtMs = Number.NEGATIVE_INFINITY;
  /** Changes that this process made, for its metrics. */
  readonly changes = { up: 0, down: 0 };

  constructor(private readonly parts: TierLeaderParts) {}

  get isLeading(): boolean {
    return this.lead !== undefined;
  }

  /** What the signals show, while this process leads. */
  get readings(): Readings {
    return this.lead?.readings ?? {};
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
    if (!this.isLeading) return;
    this.lead = undefined;
    await releaseTierLease(this.parts.redis, this.parts.leaderId).catch((err: unknown) =>
      this.parts.log.info({ err }, 'the lease could not be given back: it ends by itself'),
    );
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
      if (this.parts.monotonicMs() - this.heldAtMs > leaseMs) this.lead = undefined;
    }
  }

  private async step(): Promise<void> {
    const { monotonicMs, observer, keeper } = this.parts;
    // whoever could not write must not keep others from it
    if (keeper.known() === undefined) return;
    const askedAtMs = monotonicMs();
    const lease = await this.hold();
    const redisMs = monotonicMs() - askedAtMs;
    const lead = this.leadBy(lease);
    if (lead === undefined) return;
    const { readings, memory } = readSignals(lead.memory, await observer.observe(redisMs));
    const control = stepControl(lead.control, { nowMs: monotonicMs(), readings });
    const [before, after] = [lead.control.tier, control.tier];
    const reason = before === after ? lead.reason : reasonOfChange(readings, before, after);
    this.lead = { control, memory, readings, reason };
    this.seen = { leader: this.parts.leaderId, atMs: Math.floor(this.parts.nowMs()), readings: { ...readings } };
    await this.put(this.parts.isControlling ? { tier: after, reason } : uncontrolled);
  }

  private hold(): Promise<TierLease> {
    const { redis, leaderId: holderId } = this.parts;
    return holdTierLease(redis, { holderId, leaseMs, watch: this.isLeading ? this.watch() : undefined });
  }

  /** A lease that was taken anew, also by the one who had it before, begins anew: what was in between is not known. */
  private leadBy(lease: TierLease): Lead | undefined {
    if (lease.status === 'other') {
      if (this.isLeading) this.giveUp(lease.holder);
      this.seen = lease.watch;
      return undefined;
    }
    this.heldAtMs = this.parts.monotonicMs();
    if (lease.status === 'kept' && this.lead !== undefined) return this.lead;
    const known = this.parts.keeper.state();
    this.parts.log.info({ tier: known.autoTier }, 'this process sets the tier');
    const control = beginControl(known.autoTier as Tier, this.heldAtMs);
    return { control, memory: noMemory, readings: {}, reason: known.autoReason ?? 'as it was' };
  }

  private async put({ tier, reason }: { readonly tier: Tier; readonly reason: string }): Promise<void> {
    const { keeper, leaderId, log } = this.parts;
    const before = keeper.known()?.autoTier ?? tier;
    const result = await keeper.putAutoTier(tier, reason, leaderId);
    if (result === 'not_leader') this.giveUp(undefined);
    if (result !== 'written') return;
    this.changes[tier > before ? 'up' : 'down'] += 1;
    log.warn({ before, tier, reason }, 'the tier was changed');
  }

  private giveUp(holder: string | undefined): void {
    this.lead = undefined;
    this.parts.log.info({ holder }, 'another process sets the tier');
  }
}
