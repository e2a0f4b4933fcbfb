/**
 * `npm run bench`: the benchmarks, each beside its limit in the same run. Ends with a table of ratios, with `--json` with one JSON object
 * after it. Exit code 0 when everything was measured, whatever the bars say.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookAtMachine, type Machine } from './bench/frame/machine.ts';
import { type BenchOptions, OptionsError, parseOptions, usageOf } from './bench/frame/options.ts';
import { jsonOf, tableOf } from './bench/frame/report.ts';
import type { BenchContext, SuiteReport } from './bench/frame/suite.ts';
import { suites } from './bench/frame/suites.ts';
import { pin } from './bench/measure/pinning.ts';

const busyWorthSaying = 0.05;
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort(new Error('interrupted')));

try {
  const options = parseOptions(process.argv.slice(2), suites);
  process.exitCode = options === 'help' ? sayUsage() : await run(options);
} catch (error) {
  process.exitCode = 1;
  const hint = error instanceof OptionsError ? `\n${usageOf(suites)}` : '';
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}${hint}\n`);
}
process.exit();

function sayUsage(): number {
  say(usageOf(suites));
  return 0;
}

async function run({ suiteNames, partNames, isJson, isQuick, grants }: BenchOptions): Promise<number> {
  const machine = await lookAtMachine();
  sayMachine(machine);
  // this process starts and reads, and must not do it on the servers' core
  await pin(process.pid, machine.driverCore);
  const reports = new Map<string, SuiteReport>();
  for (const suite of suites.filter(({ name }) => suiteNames.includes(name))) {
    const dir = await mkdtemp(join(tmpdir(), 'hongbao-bench-'));
    const context: BenchContext = { machine, isQuick, partNames, grants, dir, say, signal: stopping.signal };
    try {
      reports.set(suite.name, await suite.run(context));
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }
  const report = { machine, isQuick, reports };
  for (const line of ['', ...tableOf(report)]) say(line);
  const { refusals, ...json } = jsonOf(report);
  for (const refusal of refusals) say(`refused: ${refusal}`);
  if (isJson) say(JSON.stringify({ ...json, refusals }));
  return refusals.length === 0 ? 0 : 1;
}

function sayMachine({ cpu, cores, node, kernel, busyBefore }: Machine): void {
  say(`${cpu}, ${cores.length} cores, Linux ${kernel}, Node ${node}`);
  if (busyBefore < busyWorthSaying) return;
  say(`others use ${Math.round(100 * busyBefore)} % of these cores: what is measured now is worth little`);
}
