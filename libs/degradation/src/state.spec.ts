// Pins, floors, switches and their end times: each holds as long as it says, falls back by itself, and leaves the rest alone.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DegradationState, degradationStateSchema } from '#libs/contracts';
import type { Tier } from '#libs/domain';
import { type FeatureKey, featureKeys, featureOf, modeAtTier } from './catalogue.ts';
import {
  effectiveState,
  effectiveTier,
  featureState,
  foldExpired,
  initialState,
  withAutoTier,
  withFeature,
  withTier,
} from './state.ts';

const nowMs = 1_000_000;
const tierArbitrary = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<Tier>;
const untilArbitrary = fc.option(fc.integer({ min: nowMs - 1000, max: nowMs + 1000 }), { nil: undefined });
const keyArbitrary = fc.constantFrom(...featureKeys);

type Step = (state: DegradationState) => DegradationState;
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ mode: fc.constantFrom('auto', 'pinned', 'floor'), tier: tierArbitrary, untilMs: untilArbitrary }).map(
    (change): Step =>
      (state) =>
        withTier(state, change, nowMs - 2000),
  ),
  fc.tuple(keyArbitrary, fc.record({ state: fc.constantFrom('auto', 'on', 'off'), untilMs: untilArbitrary })).map(
    ([key, change]): Step =>
      (state) =>
        withFeature(state, key, change, nowMs - 2000),
  ),
  tierArbitrary.map(
    (tier): Step =>
      (state) =>
        withAutoTier(state, tier, nowMs - 2000),
  ),
);
const stateArbitrary = fc
  .array(stepArbitrary, { maxLength: 8 })
  .map((steps) => steps.reduce((state, step) => step(state), initialState()));
const whatHolds = (state: DegradationState, atMs: number) => {
  const { tier, modes } = effectiveState(state, atMs);
  return { tier, modes };
};

describe('each feature', () => {
  it.each(featureKeys)('%s yields at its tiers and returns below them', (key) => {
    const { steps } = featureOf(key);
    for (const step of steps) {
      const yielded = withTier(initialState(), { mode: 'pinned', tier: step.tier }, nowMs);
      expect(featureState(yielded, key, nowMs)).toEqual({ on: step.mode !== 'off', mode: step.mode });
      const returned = withTier(yielded, { mode: 'auto' }, nowMs);
      expect(featureState(returned, key, nowMs)).toEqual({ on: true, mode: 'full' });
    }
  });

  it.each(featureKeys)('%s goes off by its switch, and comes back by auto and by its end time', (key) => {
    const off = withFeature(initialState(), key, { state: 'off', untilMs: nowMs + 10 }, nowMs);
    expect(featureState(off, key, nowMs)).toEqual({ on: false, mode: 'off' });
    expect(featureState(off, key, nowMs + 9).on).toBe(false);
    expect(featureState(off, key, nowMs + 10).on).toBe(true);
    expect(featureState(withFeature(off, key, { state: 'auto' }, nowMs), key, nowMs).on).toBe(true);
  });

  it.each(featureKeys)('%s is served in full at the core tier when it is switched on', (key) => {
    const core = withTier(initialState(), { mode: 'pinned', tier: 5 }, nowMs);
    const on = withFeature(core, key, { state: 'on', untilMs: nowMs + 10 }, nowMs);
    expect(featureState(on, key, nowMs)).toEqual({ on: true, mode: 'full' });
    expect(featureState(on, key, nowMs + 10).mode).toBe(modeAtTier(key, 5));
  });
});

describe('effective tier', () => {
  it('is the pinned one, above or below what the controller finds', () => {
    fc.assert(
      fc.property(tierArbitrary, tierArbitrary, (auto, tier) => {
        const state = withTier(withAutoTier(initialState(), auto, nowMs), { mode: 'pinned', tier }, nowMs);
        expect(effectiveTier(state, nowMs)).toBe(tier);
      }),
    );
  });

  it('is never below the floor and follows the controller above it', () => {
    fc.assert(
      fc.property(tierArbitrary, tierArbitrary, (auto, tier) => {
        const state = withTier(withAutoTier(initialState(), auto, nowMs), { mode: 'floor', tier }, nowMs);
        expect(effectiveTier(state, nowMs)).toBe(Math.max(auto, tier));
      }),
    );
  });

  it('falls back to the controller when the end time has come', () => {
    const auto = withAutoTier(initialState(), 1, nowMs);
    const pinned = withTier(auto, { mode: 'pinned', tier: 4, untilMs: nowMs + 10 }, nowMs);
    expect([nowMs, nowMs + 9, nowMs + 10].map((atMs) => effectiveTier(pinned, atMs))).toEqual([4, 4, 1]);
  });

  it('needs a tier to pin: a caller without one is refused', () => {
    expect(() => withTier(initialState(), { mode: 'pinned' }, nowMs)).toThrow(RangeError);
  });
});

describe('changes', () => {
  it('make a valid document of the next version and leave the one before untouched', () => {
    fc.assert(
      fc.property(stateArbitrary, stepArbitrary, (state, step) => {
        const before = structuredClone(state);
        const after = step(state);
        expect(state).toEqual(before);
        expect(degradationStateSchema.parse(after)).toEqual(after);
        expect(after === state || after.version === state.version + 1).toBe(true);
      }),
    );
  });

  it('of one feature leave tier and all other features as they were', () => {
    fc.assert(
      fc.property(stateArbitrary, keyArbitrary, fc.constantFrom('auto', 'on', 'off'), (state, key, position) => {
        const after = withFeature(state, key, { state: position }, nowMs);
        const rest = (of: DegradationState) => ({
          ...whatHolds(of, nowMs),
          modes: { ...whatHolds(of, nowMs).modes, [key]: 'any' },
        });
        expect(rest(after)).toEqual(rest(state));
      }),
    );
  });

  it('of the tier leave every switch as it was', () => {
    fc.assert(
      fc.property(stateArbitrary, tierArbitrary, (state, tier) => {
        expect(withTier(state, { mode: 'pinned', tier }, nowMs).features).toEqual(state.features);
        expect(withAutoTier(state, tier, nowMs).features).toEqual(state.features);
      }),
    );
  });

  it('folding what has ended changes nothing that holds, then or later, and happens once', () => {
    fc.assert(
      fc.property(stateArbitrary, fc.integer({ min: 0, max: 2000 }), (state, laterMs) => {
        const folded = foldExpired(state, nowMs);
        expect(whatHolds(folded, nowMs)).toEqual(whatHolds(state, nowMs));
        expect(whatHolds(folded, nowMs + laterMs)).toEqual(whatHolds(state, nowMs + laterMs));
        expect(foldExpired(folded, nowMs)).toBe(folded);
      }),
    );
  });

  it('the effective state says until when it holds', () => {
    fc.assert(
      fc.property(stateArbitrary, (state) => {
        const { untilMs } = effectiveState(state, nowMs);
        expect(untilMs).toBeGreaterThan(nowMs);
        const lastMs = Math.min(untilMs, nowMs + 5000) - 1;
        expect(whatHolds(state, lastMs)).toEqual(whatHolds(state, nowMs));
      }),
    );
  });

  it('an unknown feature in a document of a newer release is ignored', () => {
    const state: DegradationState = { ...initialState(), features: { not_invented_yet: { state: 'off' } } };
    const keys: FeatureKey[] = featureKeys.filter((key) => !featureState(state, key, nowMs).on);
    expect(keys).toEqual([]);
  });
});
