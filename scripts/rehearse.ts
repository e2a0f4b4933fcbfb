/** `npm run rehearse`: a scripted night of virtual users on real parts. Exit code 1 on any violation or imbalance. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { OptionsError, parseOptions, type RehearsalOptions, usage } from './rehearse/options.ts';
import { type RehearsalResult, rehearse } from './rehearse/rehearsal.ts';
import { lastLine, summaryLines, writeReport } from './rehearse/report.ts';
import { openTarget } from './rehearse/target.ts';
import { projectRoot } from './stack/index.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort(new Error('interrupted')));

try {
  const options = parseOptions(process.argv.slice(2), randomInt(2 ** 32));
  process.exitCode = options === 'help' ? sayUsage() : await run(options);
} catch (error) {
  process.exitCode = 1;
  const hint = error instanceof OptionsError ? `\n${usage}` : '';
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}${hint}\n`);
}
process.exit();

function sayUsage(): number {
  say(usage);
  return 0;
}

async function run(options: RehearsalOptions): Promise<number> {
  const result = await rehearseOn(options);
  for (const line of summaryLines(result)) say(line);
  say(`report  ${await writeReport(result, join(projectRoot, 'reports'))}`);
  say(lastLine(result));
  return result.violations.length === 0 ? 0 : 1;
}

async function rehearseOn(options: RehearsalOptions): Promise<RehearsalResult> {
  const target = await openTarget(options, say, stopping.signal);
  let isGood = false;
  try {
    const result = await rehearse(options, target, say, stopping.signal);
    isGood = result.violations.length === 0;
    return result;
  } finally {
    await target.close(!isGood && !stopping.signal.aborted);
  }
}
