// One document comes of PostgreSQL's and Redis's: operators' part from the one, the controller's from the other, never an older version.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DegradationState, degradationStateSchema } from '#libs/contracts';
import type { Tier } from '#libs/domain';
import { documentToKeep } from './documents.ts';
import { askedPartOf, autoPartOf, initialState, withAutoTier, withFeature, withTier } from './state.ts';

const nowMs = 1000;
const tier = fc.integer({ min: 0, max: 5 }) as fc.Arbitrary<Tier>;
const step = fc.oneof(
  tier.map((value) => (state: DegradationState) => withTier(state, { mode: 'pinned', tier: value }, nowMs)),
  tier.map((value) => (state: DegradationState) => withAutoTier(state, value, nowMs, `why ${value}`)),
  fc
    .constantFrom('on', 'off', 'auto')
    .map((position) => (state: DegradationState) => withFeature(state, 'feed', { state: position }, nowMs)),
);
const steps = fc.array(step, { maxLength: 5 });
const changedBy = (state: DegradationState, changes: readonly ((state: DegradationState) => DegradationState)[]) =>
  changes.reduce((before, change) => change(before), state);

describe('the document to keep', () => {
  it('takes what operators asked for from PostgreSQL, and the tier of the newer one', () => {
    fc.assert(
      fc.property(steps, steps, steps, (common, inDatabase, inRedis) => {
        const base = changedBy(initialState(), common);
        const saved = changedBy(base, inDatabase);
        const heard = changedBy(base, inRedis);
        const kept = documentToKeep(saved, heard);
        expect(degradationStateSchema.parse(kept)).toEqual(kept);
        expect(askedPartOf(kept)).toEqual(askedPartOf(saved));
        expect(autoPartOf(kept)).toEqual(autoPartOf(heard.version < saved.version ? saved : heard));
      }),
    );
  });

  it('is one of the two, or passes both: no version stands for two documents', () => {
    fc.assert(
      fc.property(steps, steps, steps, (common, inDatabase, inRedis) => {
        const base = changedBy(initialState(), common);
        const saved = changedBy(base, inDatabase);
        const heard = changedBy(base, inRedis);
        const kept = documentToKeep(saved, heard);
        for (const known of [saved, heard]) {
          expect(kept.version).toBeGreaterThanOrEqual(known.version);
          if (kept.version === known.version) expect(kept).toEqual(known);
        }
        // and there the two meet
        expect(documentToKeep(kept, kept)).toEqual(kept);
        expect(documentToKeep(kept, heard)).toEqual(kept);
      }),
    );
  });

  it('is what is saved when nothing was heard', () => {
    const saved = withTier(initialState(), { mode: 'floor', tier: 1 }, nowMs);
    expect(documentToKeep(saved, undefined)).toBe(saved);
  });

  it("keeps the controller's reason over changes of operators", () => {
    const auto = withAutoTier(initialState(), 3, nowMs, 'the lanes');
    const pinned = withTier(withFeature(auto, 'feed', { state: 'off' }, nowMs), { mode: 'pinned', tier: 1 }, nowMs);
    expect(autoPartOf(withTier(pinned, { mode: 'auto' }, nowMs))).toEqual({ autoTier: 3, autoReason: 'the lanes' });
  });
});
