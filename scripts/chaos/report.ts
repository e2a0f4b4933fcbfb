import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Violation } from './checker/evidence.ts';
import { isEmptyRound } from './empty-rounds.ts';
import type { RoundResult } from './round.ts';
import { type RoundPlan, roundPlanSchema } from './round-plan.ts';

const violationsShownMax = 20;

/** One line for a round. */
export function roundLine({ plan, tookMs, stillMs, counts, ledger, violations }: RoundResult): string {
  const seconds = tookMs / 1000;
  const per = Math.round((counts.get('requests') ?? 0) / seconds);
  const money = [...counts]
    .filter(([name]) => /^(open|grab|share) /.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
  const repeats = Math.round((100 * (counts.get('repeats') ?? 0)) / Math.max(1, money));
  const faults = plan.faults.map(({ kind }) => kind).join(' ') || 'none';
  const verdict = verdictOf({ violations, ledger });
  const still = stillMs > 0 ? `, stood still for ${(stillMs / 1000).toFixed(1)} s` : '';
  return (
    `${plan.name} ${plan.round}: ${verdict} in ${seconds.toFixed(1)} s${still}, ${per} requests/s, ${repeats} % repeats, ` +
    `${counts.get('shake hit') ?? 0} won, ${ledger.grants.length} granted, ${ledger.grabs.length} grabbed; faults: ${faults}`
  );
}

function verdictOf(result: Pick<RoundResult, 'violations' | 'ledger'>): string {
  if (isEmptyRound(result)) return 'PROVES NOTHING (nobody was granted anything)';
  return result.violations.length === 0 ? 'ok' : `${result.violations.length} VIOLATIONS`;
}

/** What somebody needs to understand and repeat a failing round. */
export function failureLines(result: RoundResult, file: string, dataDir: string): string[] {
  const { plan, violations, notes } = result;
  const more = violations.length - violationsShownMax;
  return [
    `seed ${plan.seed}, case ${plan.name}, round ${plan.round}:`,
    ...violations.slice(0, violationsShownMax).map(violationLine),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    '  schedule (ms after the start of the event):',
    ...notes.map((line) => `  ${line}`),
    `  again: npm run chaos -- --replay ${file}`,
    `  logs and ledger: ${dataDir}`,
  ];
}

function violationLine({ invariant, rule, text, packets }: Violation): string {
  const what = invariant === 0 ? 'contract' : `invariant ${invariant}`;
  return `  ${what} broken (${rule}): ${text}${packets.length > 0 ? ` [${packets.join(', ')}]` : ''}`;
}

/** The round could not be carried through. */
export function errorLines({ seed, name, round }: RoundPlan, error: unknown, file: string, dataDir: string): string[] {
  return [
    `seed ${seed}, case ${name}, round ${round}: ${error instanceof Error ? error.stack : String(error)}`,
    ...(error instanceof Error && error.cause !== undefined ? [`  cause: ${String(error.cause)}`] : []),
    `  again: npm run chaos -- --replay ${file}`,
    `  logs and ledger: ${dataDir}`,
  ];
}

/** Writes all of a round to `reports/chaos`, and gives the path. */
export async function writeRound(result: RoundResult, projectRoot: string): Promise<string> {
  const { counts, ...rest } = result;
  return await write(result.plan, projectRoot, { ...rest, counts: Object.fromEntries(counts) });
}

export async function writePlan(plan: RoundPlan, projectRoot: string): Promise<string> {
  return await write(plan, projectRoot, { plan });
}

async function write({ name, seed, round }: RoundPlan, projectRoot: string, content: object): Promise<string> {
  const dir = join(projectRoot, 'reports', 'chaos');
  await mkdir(dir, { recursive: true });
  const file = join(dir, `${name}-${seed}-${round}-${Date.now()}.json`);
  await writeFile(file, `${JSON.stringify(content, null, 1)}\n`);
  return file;
}

/** The plan in a file that `writeRound` wrote. @throws when it holds none. */
export async function readPlan(file: string): Promise<RoundPlan> {
  const content = JSON.parse(await readFile(file, 'utf8')) as { plan?: unknown };
  return roundPlanSchema.parse(content.plan);
}
