import { type DegradationState, type DegradationView, isoOf, type TierWatch } from '#libs/contracts';
import { type Tier, tierNameOf } from '#libs/domain';
import { type FeatureKey, featureKeys, featureOf } from './catalogue.ts';
import { signalKeys, signalOf, tierAskedBy } from './signals.ts';
import { autoPartOf, effectiveTier, featureState, modeAt, switchAt } from './state.ts';

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

function controlView({ leader, atMs, readings }: TierWatch): NonNullable<DegradationView['control']> {
  const signals = signalKeys.map((key) => {
    const { title, unit } = signalOf(key);
    const value = readings[key];
    if (value === undefined) return { key, title, unit, asksForTier: 0 };
    return { key, title, unit, value, asksForTier: tierAskedBy(key, value) };
  });
  return { leader, at: isoOf(atMs), signals };
}

function autoView(state: DegradationState): DegradationView['auto'] {
  const { autoTier: tier, autoReason: reason } = autoPartOf(state);
  return { tier: tier as Tier, ...(reason === undefined ? {} : { reason }) };
}

/**
 * The document as the operations REST shows it at `nowMs`: what has ended is shown as fallen back. `watch` is what the leading
 * process sees, undefined while none leads.
 */
export function degradationView(state: DegradationState, nowMs: number, watch?: TierWatch): DegradationView {
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
    auto: autoView(state),
    ...(watch === undefined ? {} : { control: controlView(watch) }),
    features: featureKeys.map((key) => featureView(state, key, nowMs)),
    updatedAt: isoOf(state.updatedAtMs),
  };
}
