/** How far the system has stepped back: 0 serves everything, 5 the core only (docs/architecture.md, degradation). */
export type Tier = 0 | 1 | 2 | 3 | 4 | 5;

export type TierName = 'full' | 'trim' | 'thin' | 'defer' | 'pace' | 'core';

/** The names by tier. */
export const tierNames: readonly [TierName, TierName, TierName, TierName, TierName, TierName] = [
  'full',
  'trim',
  'thin',
  'defer',
  'pace',
  'core',
];

export const tierMin: Tier = 0;
export const tierMax: Tier = 5;

export function isTier(value: unknown): value is Tier {
  return typeof value === 'number' && Number.isInteger(value) && value >= tierMin && value <= tierMax;
}

export function tierNameOf(tier: Tier): TierName {
  return tierNames[tier];
}

/** The tier with this name, undefined for an unknown name. */
export function tierOf(name: string): Tier | undefined {
  const tier = (tierNames as readonly string[]).indexOf(name);
  return isTier(tier) ? tier : undefined;
}
