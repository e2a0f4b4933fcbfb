/*
 * The degradation document and what follows from it at an instant. All functions are pure: `nowMs` is a parameter, a change is
 * a new document with the next version. Whoever reads compares versions only, so a document is never edited in place.
 *
 * An `untilMs` that has passed counts as absent, in every process by itself: a switch falls back without anybody being told.
 */
import type { DegradationState } from '#libs/contracts';
import type { Tier } from '#libs/domain';
import { type FeatureKey, type FeatureMode, featureKeys, modeAtTier } from './catalogue.ts';

export interface FeatureStateNow {
  readonly on: boolean;
  readonly mode: FeatureMode;
}

export type TierMode = DegradationState['mode'];
export type FeatureSwitch = DegradationState['features'][string]['state'];

/** What an operator asks of the tier. `tier` counts with `pinned` and `floor` only; without `untilMs` it holds until changed. */
export interface TierChange {
  readonly mode: TierMode;
  readonly tier?: Tier | undefined;
  readonly untilMs?: number | undefined;
}

export interface FeatureChange {
  readonly state: FeatureSwitch;
  readonly untilMs?: number | undefined;
}

/** Before anybody said anything: everything on. Version 0 is older than any document that was ever stored. */
export function initialState(): DegradationState {
  return { version: 0, mode: 'auto', autoTier: 0, features: {}, updatedAtMs: 0 };
}

const isPast = (untilMs: number | undefined, nowMs: number): boolean => untilMs !== undefined && untilMs <= nowMs;

/** The operator's mode that counts now. */
export function modeAt(state: DegradationState, nowMs: number): TierMode {
  return state.tier === undefined || isPast(state.untilMs, nowMs) ? 'auto' : state.mode;
}

/** The tier that holds now: the pinned one, the controller's but not below the floor, or the controller's. */
export function effectiveTier(state: DegradationState, nowMs: number): Tier {
  const auto = state.autoTier as Tier;
  const asked = state.tier as Tier | undefined;
  if (asked === undefined) return auto;
  const mode = modeAt(state, nowMs);
  if (mode === 'pinned') return asked;
  return mode === 'floor' && asked > auto ? asked : auto;
}

/** The operator's switch of a feature that counts now. */
export function switchAt(state: DegradationState, key: FeatureKey, nowMs: number): FeatureSwitch {
  const feature = Object.hasOwn(state.features, key) ? state.features[key] : undefined;
  return feature === undefined || isPast(feature.untilMs, nowMs) ? 'auto' : feature.state;
}

/** Whether and how a feature is served now. A switch stands over the tier: `on` is `full` at any tier, `off` is `off`. */
export function featureState(state: DegradationState, key: FeatureKey, nowMs: number): FeatureStateNow {
  const position = switchAt(state, key, nowMs);
  if (position === 'off') return { on: false, mode: 'off' };
  const mode = position === 'on' ? 'full' : modeAtTier(key, effectiveTier(state, nowMs));
  return { on: mode !== 'off', mode };
}

/** The next instant at which a switch or the tier falls back by itself; Infinity when nothing does. */
export function nextFallBackMs(state: DegradationState, nowMs: number): number {
  const ends = [state.untilMs, ...Object.values(state.features).map((feature) => feature.untilMs)];
  return Math.min(...ends.filter((endMs) => endMs !== undefined && endMs > nowMs).map(Number));
}

const until = (untilMs: number | undefined) => (untilMs === undefined ? {} : { untilMs });

type Change = Pick<DegradationState, 'mode' | 'tier' | 'untilMs' | 'autoTier' | 'autoReason' | 'features'>;

function changed(state: DegradationState, change: Change, nowMs: number): DegradationState {
  return { ...change, version: state.version + 1, updatedAtMs: nowMs };
}

const tierPartOf = ({ mode, tier, untilMs }: DegradationState) => ({
  mode,
  ...(tier === undefined ? {} : { tier }),
  ...until(untilMs),
});

/** What operators asked for. */
export const askedPartOf = (state: DegradationState) => ({ ...tierPartOf(state), features: state.features });

/** What the controller holds right, and why. */
export const autoPartOf = ({ autoTier, autoReason }: DegradationState) => ({
  autoTier,
  ...(autoReason === undefined ? {} : { autoReason }),
});

/** The next document after PUT tier. Throws a RangeError when `pinned` or `floor` comes without a tier. */
export function withTier(state: DegradationState, change: TierChange, nowMs: number): DegradationState {
  const { features } = state;
  if (change.mode === 'auto') return changed(state, { mode: 'auto', ...autoPartOf(state), features }, nowMs);
  if (change.tier === undefined) throw new RangeError(`mode ${change.mode} needs a tier`);
  const asked = { mode: change.mode, tier: change.tier, ...until(change.untilMs) };
  return changed(state, { ...asked, ...autoPartOf(state), features }, nowMs);
}

/** The next document after PUT feature; `auto` takes the switch away. */
export function withFeature(
  state: DegradationState,
  key: FeatureKey,
  change: FeatureChange,
  nowMs: number,
): DegradationState {
  const { [key]: _replaced, ...others } = state.features;
  const features =
    change.state === 'auto' ? others : { ...others, [key]: { state: change.state, ...until(change.untilMs) } };
  return changed(state, { ...tierPartOf(state), ...autoPartOf(state), features }, nowMs);
}

/** The next document when the controller finds another tier right; the same one when it does not. */
export function withAutoTier(
  state: DegradationState,
  autoTier: Tier,
  nowMs: number,
  autoReason?: string,
): DegradationState {
  if (state.autoTier === autoTier) return state;
  const auto = autoReason === undefined ? { autoTier } : { autoTier, autoReason };
  return changed(state, { ...askedPartOf(state), ...auto }, nowMs);
}

/** The document without what has ended, as the next version; the same one when nothing has. Changes no effective state. */
export function foldExpired(state: DegradationState, nowMs: number): DegradationState {
  const live = Object.entries(state.features).filter(([, feature]) => !isPast(feature.untilMs, nowMs));
  const tierEnded = isPast(state.untilMs, nowMs);
  if (!tierEnded && live.length === Object.keys(state.features).length) return state;
  const tierPart = tierEnded ? { mode: 'auto' as const } : tierPartOf(state);
  return changed(state, { ...tierPart, ...autoPartOf(state), features: Object.fromEntries(live) }, nowMs);
}

/** Everything that follows from a document at an instant, computed once for the hot path. */
export interface EffectiveState {
  readonly tier: Tier;
  readonly modes: Readonly<Record<FeatureKey, FeatureMode>>;
  /** As the event answer tells clients. */
  readonly flags: Readonly<Record<FeatureKey, 'on' | 'off'>>;
  /** Holds until this instant (exclusive), unless a newer document comes. */
  readonly untilMs: number;
}

export function effectiveState(state: DegradationState, nowMs: number): EffectiveState {
  const states = featureKeys.map((key) => [key, featureState(state, key, nowMs)] as const);
  return {
    tier: effectiveTier(state, nowMs),
    modes: Object.fromEntries(states.map(([key, { mode }]) => [key, mode])) as EffectiveState['modes'],
    flags: Object.fromEntries(states.map(([key, { on }]) => [key, on ? 'on' : 'off'])) as EffectiveState['flags'],
    untilMs: nextFallBackMs(state, nowMs),
  };
}
