/*
 * The controller: from the signals of each second to a tier. Pure: readings and a monotonic clock in, the next state out.
 *
 *   up    to the highest tier that was asked for during `riseAfterMs` without a break, `riseGapMs` after the last change at the earliest
 *   down  by one, when the signals had let go of the tier for `fallAfterMs`, `fallGapMs` after the last change at the earliest
 *
 * So whatever the signals do, there is at most one change up in 5 s, and at most one change in the 10 s before one down. A signal lets go
 * at half of the value at which it asks (hysteresis), and what is not known neither asks nor lets go.
 */
import { type Tier, tierMax } from '#libs/domain';
import { type AskedTier, controlTiming, type Readings, tierAsked, tierHeld } from './signals.ts';

export interface TierControl {
  readonly tier: Tier;
  readonly changedAtMs: number;
  readonly steppedAtMs: number;
  /** Since when each tier, or a higher one, has been asked for without a break. */
  readonly askedSinceMs: Readonly<Partial<Record<AskedTier, number>>>;
  /** Since when the signals have let go of the present tier. */
  readonly calmSinceMs: number | undefined;
}

export interface ControlStep {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly readings: Readings;
}

/** Begins at the tier that holds. What was before is not known, so it counts as changed just now. */
export function beginControl(tier: Tier, nowMs: number): TierControl {
  return { tier, changedAtMs: nowMs, steppedAtMs: nowMs, askedSinceMs: {}, calmSinceMs: undefined };
}

/** One step, each second. After a pause (`breakMs`) everything has to show itself anew. */
export function stepControl(before: TierControl, { nowMs, readings }: ControlStep): TierControl {
  const sinceStepMs = nowMs - before.steppedAtMs;
  const isBroken = sinceStepMs < 0 || sinceStepMs > controlTiming.breakMs;
  const asked = tierAsked(readings);
  const isCalm = tierHeld(readings, before.tier) < before.tier;
  const seen: TierControl = {
    tier: before.tier,
    // a clock that went back must not make the last change lie in the future
    changedAtMs: Math.min(before.changedAtMs, nowMs),
    steppedAtMs: nowMs,
    askedSinceMs: askedSince(isBroken ? {} : before.askedSinceMs, asked, nowMs),
    calmSinceMs: isCalm ? ((isBroken ? undefined : before.calmSinceMs) ?? nowMs) : undefined,
  };
  return risen(seen, nowMs) ?? fallen(seen, readings, nowMs) ?? seen;
}

function askedSince(before: TierControl['askedSinceMs'], asked: Tier, nowMs: number): TierControl['askedSinceMs'] {
  const since: Partial<Record<AskedTier, number>> = {};
  for (let tier = 1; tier <= asked; tier++) since[tier as AskedTier] = before[tier as AskedTier] ?? nowMs;
  return since;
}

function risen(control: TierControl, nowMs: number): TierControl | undefined {
  if (nowMs - control.changedAtMs < controlTiming.riseGapMs) return undefined;
  for (let tier = tierMax; tier > control.tier; tier--) {
    const sinceMs = control.askedSinceMs[tier as AskedTier];
    if (sinceMs !== undefined && nowMs - sinceMs >= controlTiming.riseAfterMs)
      return { ...control, tier: tier as Tier, changedAtMs: nowMs, calmSinceMs: undefined };
  }
  return undefined;
}

function fallen(control: TierControl, readings: Readings, nowMs: number): TierControl | undefined {
  const { calmSinceMs } = control;
  if (calmSinceMs === undefined || nowMs - calmSinceMs < controlTiming.fallAfterMs) return undefined;
  if (nowMs - control.changedAtMs < controlTiming.fallGapMs) return undefined;
  const tier = (control.tier - 1) as Tier;
  const isStillCalm = tierHeld(readings, tier) < tier;
  return { ...control, tier, changedAtMs: nowMs, calmSinceMs: isStillCalm ? calmSinceMs : undefined };
}
