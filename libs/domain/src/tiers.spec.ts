import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTier, type Tier, tierMax, tierMin, tierNameOf, tierNames, tierOf } from './tiers.ts';

describe('tiers', () => {
  it('are 0 to 5 with one name each, and name and number lead to each other', () => {
    expect(tierNames.map((name) => tierOf(name))).toEqual([0, 1, 2, 3, 4, 5]);
    for (let tier: number = tierMin; tier <= tierMax; tier++) {
      expect(isTier(tier)).toBe(true);
      expect(tierOf(tierNameOf(tier as Tier))).toBe(tier);
    }
  });

  it('nothing but the six numbers is a tier, nothing but the six names has one', () => {
    for (const bad of [-1, 6, 0.5, Number.NaN, '0', null, undefined, {}]) expect(isTier(bad)).toBe(false);
    const strangers = fc.string().filter((text) => !(tierNames as readonly string[]).includes(text));
    fc.assert(fc.property(strangers, (name) => tierOf(name) === undefined));
  });
});
