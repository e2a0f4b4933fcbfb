/*
 * What the tier is found by: every signal with its thresholds, and the timing of the controller. The one place to change them;
 * `docs/degradation-control.md` is made from it.
 *
 * A threshold is something that users would notice, several times over what a healthy system shows when it is busy: pacing and local
 * admission, which act within a second, come first, and the tier is for what they cannot mend.
 */
import { type Tier, tierMax } from '#libs/domain';

/** Tiers that a signal may ask for. */
export type AskedTier = Exclude<Tier, 0>;

export interface SignalDefinition {
  readonly title: string;
  readonly unit: 'ms' | 'jobs' | '%' | 'classes';
  /** From this value on the tier is asked for; values rise with the tiers. What stepping back does not mend asks for no high tier. */
  readonly asks: Readonly<Partial<Record<AskedTier, number>>>;
  /** Why these values. */
  readonly reason: string;
}

/**
 * A lane with no more jobs than this is not behind, however old they are (a stuck job, entries that a killed gateway left behind): at a
 * rate that is worth stepping back for as many come within a second.
 */
export const backlogJobsMin = 32;
/** A share of the opens tells something from so many of them per second on. */
export const opensPerSecondMin = 20;

export const signalCatalogue = {
  open_lane_age: {
    title: 'how far the slowest lane of opens is behind',
    unit: 'ms',
    asks: { 1: 2000, 2: 4000, 3: 8000, 4: 20_000 },
    reason:
      'a healthy lane is some tens of milliseconds behind; after 1.5 s an open is answered `pending`. Not known while the database is away, when it tells nothing about load',
  },
  open_lane_depth: {
    title: 'jobs accepted and not settled in the fullest lane of opens',
    unit: 'jobs',
    asks: { 2: 1000, 3: 2500, 4: 5000 },
    reason: 'a job is up to 256 opens and 40 KB of memory in Redis. Not known while the database is away',
  },
  grab_lane_age: {
    title: 'how far the slowest lane of grabs is behind',
    unit: 'ms',
    asks: { 1: 4000, 2: 8000 },
    reason:
      'never more than tier 2: from tier 3 on these lanes are slow on purpose, and would hold the tier that slows them',
  },
  database_time: {
    title: 'how long the database takes for nothing, or has been away',
    unit: 'ms',
    asks: { 1: 500, 2: 1500, 3: 4000 },
    reason:
      'reads go first, then grabs, so that opens have it for themselves when it is back; shaking costs it nothing',
  },
  redis_time: {
    title: 'how long Redis takes for one small command',
    unit: 'ms',
    asks: { 1: 400, 2: 600, 3: 900 },
    reason: 'commands are given up after 1 s. Not known while Redis is away: nobody could be told of a tier then',
  },
  loop_delay: {
    title: 'delay of the event loop (99 % of a second) of at least half of the gateways that open packets',
    unit: 'ms',
    asks: { 1: 400, 2: 800, 4: 2000, 5: 4000 },
    reason: 'a gateway at its paced 88 % is below 100 ms; an open has 1 s to be accepted',
  },
  shake_loop_delay: {
    title: 'the same of at least half of the gateways that only take shakes (role `shake`)',
    unit: 'ms',
    asks: { 2: 800, 4: 2000 },
    reason:
      'of what they serve event details yield at 2, shakes and guest sessions at 4. Nothing that others serve makes them faster, so they ask for no more',
  },
  local_level: {
    title: 'classes of requests that at least half of the gateways that open packets refuse by themselves',
    unit: 'classes',
    asks: { 1: 1, 2: 2, 3: 3, 5: 5.5 },
    reason:
      'extras, reads, shakes, shares, grabs, opens, in this order: what is refused for seconds on end is better given up as the catalogue says, with its answers. 3 while the opens have taken all their places, 5.5 when every second open is refused',
  },
  overloaded: {
    title: 'for how long at least half of the gateways that take shakes have been overloaded',
    unit: 'ms',
    asks: { 1: 4000, 2: 10_000, 4: 20_000 },
    reason: 'a gateway says so when even the longest shake intervals bring more than it can answer',
  },
  opens_refused: {
    title: 'opens that were refused for want of capacity or queue, of all opens',
    unit: '%',
    asks: { 2: 5, 3: 20, 4: 40, 5: 70 },
    reason: `opens have a reserved share: when they are refused, everything else is too much. Counted from ${opensPerSecondMin} opens a second`,
  },
} as const satisfies Record<string, SignalDefinition>;

export type SignalKey = keyof typeof signalCatalogue;
export const signalKeys = Object.keys(signalCatalogue) as readonly SignalKey[];

export function signalOf(key: SignalKey): SignalDefinition {
  return signalCatalogue[key];
}

export const controlTiming = {
  /** A tier is taken that was asked for this long without a break, … */
  riseAfterMs: 2000,
  /** … no sooner than this after the last change. One change may be of several tiers. */
  riseGapMs: 5000,
  /** One tier is given back when the signals have let go of it for this long, … */
  fallAfterMs: 5000,
  /** … no sooner than this after the last change. */
  fallGapMs: 10_000,
  /** A signal lets go of a tier below this share of the value at which it asks for it. */
  calmFactor: 0.5,
  /** What was not looked at for longer than this was not "without a break". */
  breakMs: 3500,
} as const;

/** The value of each signal; one that is missing is not known at the moment. */
export type Readings = Readonly<Partial<Record<SignalKey, number>>>;

/** The highest tier that a value asks for; with `factor` below 1 the highest one that it does not let go of. */
export function tierAskedBy(key: SignalKey, value: number, factor = 1): Tier {
  const { asks } = signalOf(key);
  for (let tier = tierMax; tier > 0; tier--) {
    const threshold = asks[tier as AskedTier];
    if (threshold !== undefined && value >= threshold * factor) return tier as Tier;
  }
  return 0;
}

/** The tier that the signals ask for together: the highest. What is not known asks for nothing. */
export function tierAsked(readings: Readings): Tier {
  return highest(signalKeys, (key) => {
    const value = readings[key];
    return value === undefined ? 0 : tierAskedBy(key, value);
  });
}

/** The tier below which the signals do not let go at `tier`. What is not known lets go of nothing that it could have asked for. */
export function tierHeld(readings: Readings, tier: Tier): Tier {
  return highest(signalKeys, (key) => {
    const value = readings[key];
    if (value !== undefined) return tierAskedBy(key, value, controlTiming.calmFactor);
    const reach = tierAskedBy(key, Number.POSITIVE_INFINITY);
    return reach < tier ? reach : tier;
  });
}

function highest(keys: readonly SignalKey[], tierOf: (key: SignalKey) => Tier): Tier {
  return Math.max(...keys.map(tierOf)) as Tier;
}

/** Why the tier changed, as operators read it: `how far … is behind: 8200 ms (tier 3 from 8000)`. */
export function reasonOfChange(readings: Readings, before: Tier, after: Tier): string {
  if (after < before) return `the signals have let go of tier ${before}`;
  return signalKeys.flatMap((key) => askOf(key, readings[key], after)).join('; ');
}

function askOf(key: SignalKey, value: number | undefined, tier: Tier): string[] {
  if (value === undefined) return [];
  const asked = tierAskedBy(key, value);
  if (asked === 0 || asked < tier) return [];
  const { title, unit, asks } = signalOf(key);
  return [`${title}: ${Math.round(value)} ${unit} (tier ${asked} from ${asks[asked]})`];
}
