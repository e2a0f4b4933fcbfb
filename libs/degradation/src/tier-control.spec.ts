// The controller: bounded flapping whatever the signals do, up to the tier that they ask for, back to 0 when they are calm.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Tier } from '#libs/domain';
import { type AskedTier, controlTiming, type Readings, signalKeys, signalOf, tierAsked, tierHeld } from './signals.ts';
import { beginControl, stepControl, type TierControl } from './tier-control.ts';

const { riseAfterMs, riseGapMs, fallAfterMs, fallGapMs, breakMs } = controlTiming;
const tierArbitrary = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<Tier>;

/** Any value of any signals: around every threshold, calm, wild, unknown. */
const readingsArbitrary: fc.Arbitrary<Readings> = fc
  .tuple(...signalKeys.map((key) => fc.option(someValueOf(key), { nil: undefined, freq: 6 })))
  .map((values) =>
    Object.fromEntries(signalKeys.map((key, at) => [key, values[at]]).filter(([, value]) => value !== undefined)),
  );

function someValueOf(key: (typeof signalKeys)[number]): fc.Arbitrary<number> {
  const thresholds = Object.values(signalOf(key).asks);
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    fc
      .tuple(fc.constantFrom(...thresholds), fc.constantFrom(0.3, 0.5, 0.7, 1, 1.2))
      .map(([value, part]) => value * part),
  );
}

/** Mostly a second, sometimes late, seldom a pause, seldom back. */
const pauseArbitrary = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 900, max: 1200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 4000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 4000, max: 60_000 }) },
);
/** Signals that stay for a while, as they do, and then change. */
const sequenceArbitrary = fc
  .array(fc.tuple(readingsArbitrary, fc.array(pauseArbitrary, { minLength: 1, maxLength: 25 })), { maxLength: 12 })
  .map((parts) => parts.flatMap(([readings, pauses]) => pauses.map((pauseMs) => ({ readings, pauseMs }))));

interface Change {
  readonly atMs: number;
  readonly from: Tier;
  readonly to: Tier;
}

function run(begin: Tier, steps: readonly { readonly readings: Readings; readonly pauseMs: number }[]) {
  let nowMs = 0;
  let control = beginControl(begin, nowMs);
  const changes: Change[] = [];
  for (const { readings, pauseMs } of steps) {
    nowMs += pauseMs;
    const next = stepControl(control, { nowMs, readings });
    if (next.tier !== control.tier) changes.push({ atMs: nowMs, from: control.tier, to: next.tier });
    control = next;
  }
  return { control, changes, nowMs };
}

const calm: Readings = Object.fromEntries(signalKeys.map((key) => [key, 0]));
const steadily = (readings: Readings, seconds: number) =>
  Array.from({ length: seconds }, () => ({ readings, pauseMs: 1000 }));

describe('any sequence of signals', () => {
  it('makes at most one change in 5 s before one up, and in 10 s before one down, which is of one tier', () => {
    fc.assert(
      fc.property(tierArbitrary, sequenceArbitrary, (begin, steps) => {
        let lastMs = 0;
        for (const { atMs, from, to } of run(begin, steps).changes) {
          expect(atMs - lastMs).toBeGreaterThanOrEqual(to > from ? riseGapMs : fallGapMs);
          if (to < from) expect(to).toBe(from - 1);
          lastMs = atMs;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('raises the tier only to what was asked for at every look of the last 2 s, without a pause', () => {
    fc.assert(
      fc.property(tierArbitrary, sequenceArbitrary, (begin, steps) => {
        let nowMs = 0;
        const looks: { atMs: number; asked: Tier; pauseMs: number }[] = [];
        const changes = new Map(run(begin, steps).changes.map((change) => [change.atMs, change]));
        for (const { readings, pauseMs } of steps) {
          nowMs += pauseMs;
          looks.push({ atMs: nowMs, asked: tierAsked(readings), pauseMs });
          const change = changes.get(nowMs);
          if (change === undefined || change.to < change.from) continue;
          const first = looks.findLastIndex(({ atMs }) => atMs <= nowMs - riseAfterMs);
          expect(first).toBeGreaterThanOrEqual(0);
          const window = looks.slice(first);
          expect(Math.min(...window.map(({ asked }) => asked))).toBeGreaterThanOrEqual(change.to);
          for (const { pauseMs: pause } of window.slice(1)) expect(pause).toBeLessThanOrEqual(breakMs);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('lowers it only when the signals let go of it at every look of the last 5 s', () => {
    fc.assert(
      fc.property(tierArbitrary, sequenceArbitrary, (begin, steps) => {
        let nowMs = 0;
        let tier = begin;
        const looks: { atMs: number; readings: Readings }[] = [];
        const changes = new Map(run(begin, steps).changes.map((change) => [change.atMs, change]));
        for (const { readings, pauseMs } of steps) {
          nowMs += pauseMs;
          looks.push({ atMs: nowMs, readings });
          const change = changes.get(nowMs);
          if (change === undefined) continue;
          if (change.to < change.from)
            for (const look of looks.filter(({ atMs }) => atMs > nowMs - fallAfterMs))
              expect(tierHeld(look.readings, tier)).toBeLessThan(tier);
          tier = change.to;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('signals that stay', () => {
  const everyAsk = signalKeys.flatMap((key) =>
    Object.entries(signalOf(key).asks).map(([tier, value]) => [key, Number(tier) as AskedTier, value] as const),
  );

  it.each(everyAsk)(
    '%s asks for tier %i from %i on: the tier is there within 8 s, in one change, and stays',
    (key, tier, value) => {
      const { changes } = run(0, steadily({ ...calm, [key]: value }, 120));
      expect(changes).toEqual([{ atMs: expect.any(Number), from: 0, to: tier }]);
      expect(changes[0]!.atMs).toBeLessThanOrEqual(8000);
    },
  );

  it.each(everyAsk)('%s just below half of what asks for tier %i (%i) lets go of it', (key, tier, value) => {
    const { control } = run(tier, steadily({ ...calm, [key]: value * 0.49 }, 120));
    expect(control.tier).toBeLessThan(tier);
  });

  it('below the thresholds and above half of them neither raise nor lower', () => {
    for (const [key, tier, value] of everyAsk) {
      const { changes } = run(tier, steadily({ ...calm, [key]: value * 0.75 }, 120));
      expect(changes, key).toEqual([]);
    }
  });

  it('that are calm bring every tier back to 0, one by one, within 60 s', () => {
    for (const begin of [1, 2, 3, 4, 5] as const) {
      const { control, changes } = run(begin, steadily(calm, 60));
      expect(control.tier).toBe(0);
      expect(changes.map(({ to }) => to)).toEqual(Array.from({ length: begin }, (_, n) => begin - 1 - n));
    }
  });

  it('from any state reach the tier that they ask for', () => {
    fc.assert(
      fc.property(tierArbitrary, sequenceArbitrary, readingsArbitrary, (begin, steps, readings) => {
        const { control } = run(begin, [...steps, ...steadily(readings, 80)]);
        expect(control.tier).toBeGreaterThanOrEqual(tierAsked(readings));
        expect(control.tier).toBeLessThanOrEqual(Math.max(tierAsked(readings), tierHeld(readings, 5)));
      }),
    );
  });

  it('that nobody knows change nothing', () => {
    for (const tier of [0, 1, 2, 3, 4, 5] as const) expect(run(tier, steadily({}, 120)).changes).toEqual([]);
  });

  it('that one look missed are not taken for a break, a pause of the process is', () => {
    const asking = { open_lane_age: 9000 };
    const late = [...steadily({}, 6), { readings: asking, pauseMs: 1000 }, { readings: asking, pauseMs: 2500 }];
    expect(run(0, late).control.tier).toBe(3);
    const paused = [...steadily({}, 6), { readings: asking, pauseMs: 1000 }, { readings: asking, pauseMs: 30_000 }];
    expect(run(0, paused).control.tier).toBe(0);
  });

  it('raise further after a tier that did not help', () => {
    const steps = [...steadily({ loop_delay: 500 }, 20), ...steadily({ loop_delay: 2500 }, 20)];
    expect(run(0, steps).changes.map(({ to }) => to)).toEqual([1, 4]);
  });
});

describe('a clock that goes back', () => {
  it('stops nothing for long', () => {
    const asking = { open_lane_age: 9000 };
    let control: TierControl = beginControl(0, 1_000_000);
    for (let nowMs = 0; nowMs <= 10_000; nowMs += 1000) control = stepControl(control, { nowMs, readings: asking });
    expect(control.tier).toBe(3);
  });
});

/** A small generator with a seed, so that a run can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a system that the tier relieves (simulation)', () => {
  /** Part of the full load that is left at a tier. */
  const load = [1, 0.9, 0.75, 0.65, 0.4, 0.15];

  /** Lanes whose backlog grows by what comes over what they settle, for `peakSeconds`, then a tenth of it. */
  function simulate(seed: number, overload: number, peakSeconds: number) {
    const random = randomOf(seed);
    let backlogSeconds = 0;
    let nowMs = 0;
    let control = beginControl(0, nowMs);
    const tiers: Tier[] = [];
    const gapsMs: number[] = [];
    let changedAtMs = 0;
    for (let second = 0; second < peakSeconds + 120; second++) {
      nowMs += 900 + 200 * random();
      const offered = (second < peakSeconds ? overload : overload / 10) * (0.8 + 0.4 * random());
      backlogSeconds = Math.max(0, backlogSeconds + offered * load[control.tier]! - 1);
      const next = stepControl(control, { nowMs, readings: { ...calm, open_lane_age: backlogSeconds * 1000 } });
      if (next.tier !== control.tier) {
        gapsMs.push(nowMs - changedAtMs);
        changedAtMs = nowMs;
      }
      control = next;
      tiers.push(next.tier);
    }
    return { tiers, gapsMs, backlogSeconds };
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'seed %i: steps back at the peak, does not flap, and is back at 0 afterwards',
    (seed) => {
      for (const overload of [1.2, 1.5, 2, 2.3]) {
        const peakSeconds = 120;
        const { tiers, gapsMs, backlogSeconds } = simulate(seed, overload, peakSeconds);
        expect(Math.max(...tiers)).toBeGreaterThan(0);
        expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(riseGapMs);
        // at most one up and one down in 15 s, besides the way up and the way down
        expect(gapsMs.length).toBeLessThanOrEqual((2 * peakSeconds) / 15 + 10);
        expect([tiers.at(-1), backlogSeconds]).toEqual([0, 0]);
      }
    },
  );

  it.each([1, 2, 3])('seed %i: an ordinary load with bursts of a second or two moves nothing', (seed) => {
    const random = randomOf(seed);
    const steps = Array.from({ length: 600 }, (_, second) => ({
      pauseMs: 900 + 200 * random(),
      readings: {
        open_lane_age: second % 20 < 2 ? 9000 * random() : 900 * random(),
        loop_delay: 250 * random(),
        database_time: 300 * random(),
      },
    }));
    expect(run(0, steps).changes).toEqual([]);
  });
});
