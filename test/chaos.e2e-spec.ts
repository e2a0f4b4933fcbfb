import { afterAll, expect, it } from 'vitest';
import { planRandomRound } from '../scripts/chaos/random-round.ts';
import type { RoundPlan } from '../scripts/chaos/round-plan.ts';
import { ChaosRun } from '../scripts/chaos/run-chaos.ts';
import { planSharpRound } from '../scripts/chaos/sharp-cases.ts';

/** A short fixed set out of `npm run chaos`; the long run is for hours. */
const seed = 2015;
const plans: readonly RoundPlan[] = [
  planSharpRound('consumer-killed', seed, 0),
  planSharpRound('stale-replica', seed, 0),
  planSharpRound('database-away', seed, 0),
  planRandomRound(seed, 0),
];
/** The round's own patience ends sooner, with a story: a slow machine is given its time. */
const roundMaxMs = 600_000;
const lineCharsMax = 300;

const lines: string[] = [];
const run = new ChaosRun((line) => lines.push(line.slice(0, lineCharsMax)));
afterAll(() => run.end());

/** Proves all invariants through a few accidents under load: every answer of every client against the ledger. */
it.each(plans)(
  'keeps every promise: $name',
  async (plan) => {
    const result = await run.round(plan);
    const story = lines.splice(0).join('\n');
    expect(result?.violations.length, story).toBe(0);
    expect(result?.ledger.grants.length, story).toBeGreaterThan(0);
  },
  roundMaxMs,
);
