// The catalogue is complete, and yields in the order of importance: what matters more never goes off before what matters less.
import { describe, expect, it } from 'vitest';
import { type Tier, tierNames } from '#libs/domain';
import { type FeatureKey, featureKeys, featureOf, importanceOrder, isFeatureKey, modeAtTier } from './catalogue.ts';

const named: readonly FeatureKey[] = [
  'leaderboard',
  'feed',
  'share_grab_list',
  'event_details',
  'history',
  'wallet',
  'status',
  'share_pages',
  'guest_sessions',
  'grabs',
  'share_creation',
  'shakes',
  'opens',
];
const tiers = tierNames.map((_, tier) => tier as Tier);
const offTierOf = (key: FeatureKey): number => tiers.find((tier) => modeAtTier(key, tier) === 'off') ?? tiers.length;

describe('feature catalogue', () => {
  it('names every feature that the design says can yield, and no other', () => {
    expect([...featureKeys].sort()).toEqual([...named].sort());
  });

  it.each(featureKeys)(
    '%s is served in full at tier 0, has a title and says what is answered when it is off',
    (key) => {
      expect(modeAtTier(key, 0)).toBe('full');
      expect(featureOf(key).title).not.toBe('');
      expect(featureOf(key).offAnswer).not.toBe('');
      for (const step of featureOf(key).steps) expect(step.answer).not.toBe('');
    },
  );

  it.each(featureKeys)('%s steps by rising tier and is never served again at a higher one once it is off', (key) => {
    const steps = featureOf(key).steps;
    const rising = steps.every((step, i) => i === 0 || step.tier > steps[i - 1]!.tier);
    expect(rising).toBe(true);
    expect(steps.slice(0, -1).some((step) => step.mode === 'off')).toBe(false);
  });

  it('is ordered by importance', () => {
    const ranks = featureKeys.map((key) => importanceOrder.indexOf(featureOf(key).class));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  });

  it('switches no class off at a lower tier than a less important one keeps all of its features', () => {
    for (const [rank, importance] of importanceOrder.entries()) {
      const mine = featureKeys.filter((key) => featureOf(key).class === importance);
      const lesser = featureKeys.filter((key) => importanceOrder.indexOf(featureOf(key).class) > rank);
      if (mine.length === 0 || lesser.length === 0) continue;
      expect(Math.min(...mine.map(offTierOf))).toBeGreaterThanOrEqual(Math.min(...lesser.map(offTierOf)));
    }
  });

  it('keeps opening at every tier, sharing with a ticket too, and refuses no grab below the core tier', () => {
    for (const tier of tiers) {
      expect(modeAtTier('opens', tier)).toBe('full');
      expect(modeAtTier('share_creation', tier)).not.toBe('off');
      expect(modeAtTier('grabs', tier) === 'off').toBe(tier === 5);
    }
  });

  it('yields at each tier what the design says of it', () => {
    const firstAt = (tier: Tier) => featureKeys.filter((key) => featureOf(key).steps[0]?.tier === tier).sort();
    expect(firstAt(1)).toEqual(['feed', 'leaderboard', 'share_grab_list']);
    expect(firstAt(2)).toEqual(['event_details', 'history', 'share_pages', 'status', 'wallet']);
    expect(firstAt(3)).toEqual(['grabs']);
    expect(firstAt(4)).toEqual(['guest_sessions', 'shakes']);
    expect(firstAt(5)).toEqual(['share_creation']);
  });

  it('knows its keys, and takes nothing inherited for one', () => {
    expect(isFeatureKey('wallet')).toBe(true);
    expect(isFeatureKey('constructor')).toBe(false);
  });
});
