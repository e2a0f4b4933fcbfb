import { tierNames } from '#libs/domain';
import { type FeatureKey, featureKeys, featureOf, importanceOrder } from './catalogue.ts';

/** What each tier means as a whole; what yields in it follows from the catalogue. */
const tierSentences = [
  'everything is served',
  'extras yield',
  'reads come from copies, clients poll a third as often',
  'grabs are accepted now and settled later',
  'shakes are thinned and slowed',
  'opens and settlement only',
] as const;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

function tierRow(name: string, tier: number): string[] {
  const yielding = featureKeys.flatMap((key) =>
    featureOf(key)
      .steps.filter((step) => step.tier === tier)
      .map((step) => `\`${key}\` (${step.mode})`),
  );
  return [String(tier), name, tierSentences[tier] ?? '', yielding.join(', ') || 'nothing'];
}

function featureRow(key: FeatureKey): string[] {
  const { title, class: importance, steps, offAnswer } = featureOf(key);
  const yields = steps.map((step) => `${step.tier} ${step.mode}: ${step.answer}`).join('<br>');
  return [`\`${key}\``, title, importance, yields || 'never by itself', offAnswer];
}

/** `docs/degradation.md`, made from the catalogue; a test holds the file equal. */
export function renderDegradationPage(): string {
  return `# Degradation

This page is made from the feature catalogue in \`libs/degradation\`; \`npm test\` holds them equal.

When more comes than the system can take, what matters less yields to what matters more, in steps, and comes back by itself. The
order of importance is ${importanceOrder.join(' > ')}. Settlement never yields and has no switch.

## Tiers

${table(
  ['tier', 'name', 'in a word', 'what yields, besides what yielded before'],
  tierNames.map((name, tier) => tierRow(name, tier)),
)}

## Features

A feature is served in full below its first tier. \`GET /v1/events/:eventId\` tells clients the tier and which features are \`on\`; a
feature that is paced, cached, deferred or reduced is \`on\`.

${table(['feature', 'what it is', 'class', 'from tier, how, and what is answered then', 'answer when switched off'], featureKeys.map(featureRow))}

## What operators can do

- \`PUT /ops/v1/degradation/tier\` with \`mode\` \`pinned\` holds the tier at \`tier\` whatever the load says; \`floor\` lets it rise above
  \`tier\` but not fall below; \`auto\` gives it back to the controller.
- \`PUT /ops/v1/degradation/features/:key\` with \`state\` \`on\` serves the feature in full at any tier, \`off\` switches it off at any tier,
  \`auto\` gives it back to the tier.
- Both take a \`reason\`, kept in the audit log, and an end time \`until\`: when it has passed, every process falls back to \`auto\`
  by itself, even when it cannot hear from anybody.
- Every change is in the audit log: who, when, why, what was before and after. Viewers may read, operators may also change.
- The document has a version and lives in PostgreSQL; operations pushes it through Redis, every process polls it every few seconds as a
  fallback and keeps the last one it knew when Redis or operations is away. A process that never heard of one serves everything.

How the controller finds the tier, and what operators see of it: [degradation-control.md](degradation-control.md).
`;
}
