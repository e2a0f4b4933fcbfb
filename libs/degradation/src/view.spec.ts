// The operations view shows what holds: an ended pin or switch is shown as fallen back.
import { describe, expect, it } from 'vitest';
import { degradationViewSchema } from '#libs/contracts';
import { featureKeys } from './catalogue.ts';
import { initialState, withAutoTier, withFeature, withTier } from './state.ts';
import { degradationView } from './view.ts';

const nowMs = Date.UTC(2026, 0, 1);
const pinned = withTier(
  withAutoTier(initialState(), 1, nowMs),
  { mode: 'pinned', tier: 3, untilMs: nowMs + 10 },
  nowMs,
);
const state = withFeature(pinned, 'feed', { state: 'on', untilMs: nowMs + 20 }, nowMs);

describe('degradation view', () => {
  it('has the contract shape and every feature of the catalogue in its order', () => {
    const view = degradationViewSchema.parse(degradationView(state, nowMs));
    expect(view.features.map((feature) => feature.key)).toEqual(featureKeys);
  });

  it('shows a pin with what was asked and until when', () => {
    expect(degradationView(state, nowMs)).toMatchObject({
      version: 3,
      mode: 'pinned',
      tier: 3,
      tierName: 'defer',
      requestedTier: 3,
      until: '2026-01-01T00:00:00.010Z',
    });
  });

  it('shows the controller again when the pin has ended', () => {
    const view = degradationView(state, nowMs + 10);
    expect(view).toMatchObject({ mode: 'auto', tier: 1, tierName: 'trim' });
    expect(view).not.toHaveProperty('requestedTier');
    expect(view).not.toHaveProperty('until');
  });

  it('shows a switch with its end time, and auto after it', () => {
    const feedAt = (atMs: number) => degradationView(state, atMs).features.find((feature) => feature.key === 'feed');
    expect(feedAt(nowMs)).toMatchObject({ switch: 'on', effective: 'on', until: '2026-01-01T00:00:00.020Z' });
    expect(feedAt(nowMs + 20)).toMatchObject({ switch: 'auto', effective: 'off', yieldsAtTier: 1 });
    expect(feedAt(nowMs + 20)).not.toHaveProperty('until');
  });
});
