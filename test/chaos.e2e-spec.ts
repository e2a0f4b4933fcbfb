import { afterAll, beforeAll, expect, it } from 'vitest';
import { Population } from '../scripts/chaos/crowd.ts';
import { planRandomRound } from '../scripts/chaos/random-round.ts';
import { roundLine } from '../scripts/chaos/report.ts';
import { runRound } from '../scripts/chaos/round.ts';
import type { RoundPlan } from '../scripts/chaos/round-plan.ts';
import { planSharpRound } from '../scripts/chaos/sharp-cases.ts';
import { ChaosSystem } from '../scripts/chaos/system.ts';

/** A short fixed set out of `npm run chaos`; the long run is for hours. */
const seed = 2015;
const plans: readonly RoundPlan[] = [
  planSharpRound('consumer-killed', seed, 0),
  planSharpRound('gateway-stopped-accept', seed, 0),
  planSharpRound('stale-replica', seed, 0),
  planSharpRound('database-away', seed, 0),
  planSharpRound('reclaimed-share', seed, 0),
  planRandomRound(seed, 0),
];

/** The harness finds what it should: skipped until the open findings of docs/reliability.md (F1 above all) are mended. */
const isSound = false;

let system: ChaosSystem;
let population: Population;
let begun = 0;
let kept = 0;
beforeAll(async () => {
  if (!isSound) return;
  system = await ChaosSystem.start();
  population = new Population(system.gatewayUrls[0]!);
});
afterAll(() => system?.stop(kept < begun));

/** Proves all invariants through a few accidents under load: every answer of every client against the ledger. */
it.skipIf(!isSound).each(plans)('keeps every promise: $name', async (plan) => {
  begun += 1;
  const result = await runRound(system, population, plan);
  const { violations, ledger, notes } = result;
  const story = [roundLine(result), `data: ${system.dataDir}`, ...notes].join('\n');
  expect(violations, story).toEqual([]);
  expect(ledger.grants.length, story).toBeGreaterThan(0);
  kept += 1;
});
