import { type DegradationState, type DegradationView, isoOf } from '#libs/contracts';
import { tierNameOf } from '#libs/domain';
import { type FeatureKey, featureKeys, featureOf } from './catalogue.ts';
import { effectiveTier, featureState, modeAt, switchAt } from './state.ts';

/** What a feature answers as it steps back: one sentence per step, or what its switch does when it never yields by itself. */
export function fallbackText(key: FeatureKey): string {
  const { steps, offAnswer } = featureOf(key);
  if (steps.length === 0) return `never yields by itself; switched off: ${offAnswer}`;
  return steps.map((step) => `tier ${step.tier} (${step.mode}): ${step.answer}`).join('; ');
}

function featureView(state: DegradationState, key: FeatureKey, nowMs: number): DegradationView['features'][number] {
  const { title, class: importance, steps } = featureOf(key);
  const { on } = featureState(state, key, nowMs);
  const position = switchAt(state, key, nowMs);
  const untilMs = position === 'auto' ? undefined : state.features[key]?.untilMs;
  return {
    key,
    title,
    class: importance,
    ...(steps[0] === undefined ? {} : { yieldsAtTier: steps[0].tier }),
    fallback: fallbackText(key),
    switch: position,
    ...(untilMs === undefined ? {} : { until: isoOf(untilMs) }),
    effective: on ? 'on' : 'off',
  };
}

/** The document as the operations REST shows it at `nowMs`: what has ended is shown as fallen back. */
export function degradationView(state: DegradationState, nowMs: number): DegradationView {
  const tier = effectiveTier(state, nowMs);
  const mode = modeAt(state, nowMs);
  const asked = mode === 'auto' || state.tier === undefined ? {} : { requestedTier: state.tier };
  const ends = mode === 'auto' || state.untilMs === undefined ? {} : { until: isoOf(state.untilMs) };
  return {
    version: state.version,
    mode,
    tier,
    tierName: tierNameOf(tier),
    ...asked,
    ...ends,
    features: featureKeys.map((key) => featureView(state, key, nowMs)),
    updatedAt: isoOf(state.updatedAtMs),
  };
}
