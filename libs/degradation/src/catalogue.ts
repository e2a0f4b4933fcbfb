import type { Tier } from '#libs/domain';

/** The classes of work, most important first. `settle` has no feature: settlement never yields and cannot be switched. */
export const importanceOrder = ['settle', 'open', 'grab', 'share', 'shake', 'reads', 'extras'] as const;
export type ImportanceClass = (typeof importanceOrder)[number];

/**
 * How much of a feature is served. `full`: all of it. `paced`: all of it, but clients are told to come less often.
 * `cached`: from a copy that may be older. `deferred`: accepted now, done later. `reduced`: the part that costs nothing.
 * `off`: not served; the catalogue says what is answered instead.
 */
export type FeatureMode = 'full' | 'paced' | 'cached' | 'deferred' | 'reduced' | 'off';

/** From `tier` on the feature is served in `mode`, and this is what its users get. */
export interface YieldStep {
  readonly tier: Tier;
  readonly mode: Exclude<FeatureMode, 'full'>;
  readonly answer: string;
}

export interface FeatureDefinition {
  readonly title: string;
  readonly class: ImportanceClass;
  /** Steps by rising tier; empty: it never yields by itself. */
  readonly steps: readonly YieldStep[];
  /** What its users get when an operator switches it off. */
  readonly offAnswer: string;
}

const featureOff = '503 `feature_off` with `Retry-After`';

/**
 * Every feature that can yield, the most important first. Code asks by key (`DegradationHolder.modeOf`), the operations REST and
 * the console show it, `docs/degradation.md` is made from it.
 */
export const featureCatalogue = {
  opens: {
    title: 'opening packets',
    class: 'open',
    steps: [],
    offAnswer: `${featureOff}; tickets keep running, so only for an emergency`,
  },
  grabs: {
    title: 'grabbing portions of shares',
    class: 'grab',
    steps: [
      {
        tier: 3,
        mode: 'deferred',
        answer:
          '202 `pending`: accepted, settled later by slowed lanes; none is refused before ten times `GRABS_IN_FLIGHT_MAX` wait in a share process',
      },
      { tier: 5, mode: 'off', answer: featureOff },
    ],
    offAnswer: featureOff,
  },
  share_creation: {
    title: 'making share tokens',
    class: 'share',
    steps: [
      {
        tier: 5,
        mode: 'reduced',
        answer: `with the ticket as always; without it, which needs a look-up, ${featureOff}`,
      },
    ],
    offAnswer: featureOff,
  },
  shakes: {
    title: 'shaking',
    class: 'shake',
    steps: [
      {
        tier: 4,
        mode: 'paced',
        answer: 'half of the users, by priority, get `rest`; turns of the others come a quarter as often, within 10 s',
      },
      { tier: 5, mode: 'off', answer: 'every shake gets `rest`' },
    ],
    offAnswer: 'every shake gets `rest`',
  },
  status: {
    title: 'what became of an open',
    class: 'reads',
    steps: [
      { tier: 2, mode: 'paced', answer: 'as always; `pollAfterMs` three times as long' },
      { tier: 5, mode: 'off', answer: `202 \`pending\` from the receipt; without a receipt ${featureOff}` },
    ],
    offAnswer: `202 \`pending\` from the receipt; without a receipt ${featureOff}`,
  },
  guest_sessions: {
    title: 'guest sessions',
    class: 'reads',
    steps: [{ tier: 4, mode: 'off', answer: featureOff }],
    offAnswer: featureOff,
  },
  share_pages: {
    title: 'share pages',
    class: 'reads',
    steps: [
      { tier: 2, mode: 'cached', answer: 'a copy up to 30 s old' },
      { tier: 5, mode: 'off', answer: featureOff },
    ],
    offAnswer: featureOff,
  },
  wallet: {
    title: 'wallet',
    class: 'reads',
    steps: [
      { tier: 2, mode: 'cached', answer: 'the cached balance with its time (`asOf`)' },
      { tier: 5, mode: 'off', answer: featureOff },
    ],
    offAnswer: featureOff,
  },
  history: {
    title: 'history of packets',
    class: 'reads',
    steps: [
      { tier: 2, mode: 'cached', answer: 'the cached page with its time (`asOf`)' },
      { tier: 5, mode: 'off', answer: featureOff },
    ],
    offAnswer: featureOff,
  },
  event_details: {
    title: 'waves and sponsors in event answers',
    class: 'extras',
    steps: [{ tier: 2, mode: 'off', answer: 'the event with empty `waves` and `sponsors`' }],
    offAnswer: 'the event with empty `waves` and `sponsors`',
  },
  share_grab_list: {
    title: 'grabs listed on share pages',
    class: 'extras',
    steps: [{ tier: 1, mode: 'off', answer: 'the share page without `grabs`' }],
    offAnswer: 'the share page without `grabs`',
  },
  leaderboard: {
    title: 'leaderboard',
    class: 'extras',
    steps: [{ tier: 1, mode: 'off', answer: featureOff }],
    offAnswer: featureOff,
  },
  feed: {
    title: 'live feed',
    class: 'extras',
    steps: [{ tier: 1, mode: 'off', answer: `${featureOff}; open streams end` }],
    offAnswer: `${featureOff}; open streams end`,
  },
} as const satisfies Record<string, FeatureDefinition>;

export type FeatureKey = keyof typeof featureCatalogue;

/** Keys in the catalogue's order. */
export const featureKeys = Object.keys(featureCatalogue) as readonly FeatureKey[];

export function isFeatureKey(text: string): text is FeatureKey {
  return Object.hasOwn(featureCatalogue, text);
}

export function featureOf(key: FeatureKey): FeatureDefinition {
  return featureCatalogue[key];
}

/** The mode that a tier alone asks for: the last step at or below it. */
export function modeAtTier(key: FeatureKey, tier: Tier): FeatureMode {
  return featureOf(key).steps.findLast((step) => step.tier <= tier)?.mode ?? 'full';
}
