import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { projectRoot } from '../stack/project-root.ts';

export type StageResult = { passed: number; failed: number; skipped: number; failures: string[] };

const stageTimeoutMs = 45 * 60_000;

/** A tool that judges by its exit code: one check, passed or failed. */
export async function runCheck(command: string, args: readonly string[]): Promise<StageResult> {
  const code = await run(command, args);
  if (code === 0) return { passed: 1, failed: 0, skipped: 0, failures: [] };
  return {
    passed: 0,
    failed: 1,
    skipped: 0,
    failures: [`${basename(command)} ${args.join(' ')} (${describeExit(code)})`],
  };
}

/** The part of vitest's JSON report that is counted. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(''),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});
type Report = z.infer<typeof reportSchema>;

/** One project of vitest.config.ts. A run that tells of no failure and yet did not end well, or ran no test, has failed. */
export async function runVitest(project: string, reportFile: string): Promise<StageResult> {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
  const code = await run(toolPath('vitest'), ['run', '--project', project, ...reporters]);
  const report = await readReport(reportFile);
  if (report === undefined) return failedRun(`vitest made no report (${describeExit(code)})`);
  const result = countReport(report);
  if (result.passed + result.failed === 0) return failedRun(`no test ran (${describeExit(code)})`);
  if (code === 0 || result.failed > 0) return result;
  return { ...result, failed: 1, failures: [`vitest failed outside of the tests (${describeExit(code)})`] };
}

/** A file that could not be run to its tests counts as one failed test. */
export function countReport(report: Report): StageResult {
  const result: StageResult = { passed: 0, failed: 0, skipped: 0, failures: [] };
  for (const file of report.testResults) {
    const failuresBefore = result.failed;
    for (const { status, fullName } of file.assertionResults) {
      if (status === 'passed') result.passed += 1;
      else if (status === 'failed') fail(result, file.name, fullName);
      else result.skipped += 1;
    }
    if (file.status === 'failed' && result.failed === failuresBefore) fail(result, file.name, file.message);
  }
  return result;
}

function fail(result: StageResult, file: string, what: string): void {
  result.failed += 1;
  result.failures.push(`${file.replace(`${projectRoot}/`, '')} › ${what}`);
}

function failedRun(failure: string): StageResult {
  return { passed: 0, failed: 1, skipped: 0, failures: [failure] };
}

async function readReport(path: string): Promise<Report | undefined> {
  try {
    return reportSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

type Exit = number | NodeJS.Signals;

function describeExit(exit: Exit): string {
  return typeof exit === 'number' ? `exit code ${exit}` : exit;
}

/** The path of a tool that is installed in node_modules. */
export function toolPath(name: string): string {
  return join(projectRoot, 'node_modules', '.bin', name);
}

/** Runs it with its output on this terminal. */
function run(command: string, args: readonly string[]): Promise<Exit> {
  const child = spawn(command, args, {
    cwd: projectRoot,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: stageTimeoutMs,
  });
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`${command} cannot be run`, { cause })));
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 1));
  });
}
