/**
 * `npm test`: every check of the project in stages. The last line is `N passed, N failed` (and `, N skipped`); the exit code is not 0
 * when anything failed. Counts are those of the test runner's own report; a static check counts as one.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './stack/project-root.ts';
import { runCheck, runVitest, type StageResult, toolPath } from './test/stages.ts';

type Stage = { name: string; run: () => Promise<StageResult> };

const reports = await mkdtemp(join(tmpdir(), 'hongbao-test-report-'));
const vitest = (project: string) => () => runVitest(project, join(reports, `${project}.json`));
const check =
  (tool: string, ...args: string[]) =>
  () =>
    runCheck(toolPath(tool), args);
const loadtest = join(projectRoot, 'dist', 'scripts', 'loadtest.js');
const structured = ['apps', 'libs', 'scripts', 'test', 'loadtest'].filter((dir) => existsSync(join(projectRoot, dir)));

const stages: Stage[] = [
  { name: 'format and lint', run: check('biome', 'ci', '--colors=off', '--max-diagnostics=50', '.') },
  { name: 'types', run: check('tsc', '-p', 'tsconfig.json') },
  { name: 'types of the web pages', run: check('tsc', '-p', 'apps/console/tsconfig.json') },
  { name: 'load tests are typed and bundle', run: () => runCheck(process.execPath, [loadtest, '--bundle-only']) },
  { name: 'dependency rules', run: check('depcruise', '--config', '.dependency-cruiser.cjs', ...structured) },
  { name: 'unit tests', run: vitest('unit') },
  { name: 'integration tests', run: vitest('int') },
  { name: 'cross-process tests', run: vitest('e2e') },
];

const total: StageResult = { passed: 0, failed: 0, skipped: 0, failures: [] };
try {
  for (const stage of stages) {
    const startedAtMs = performance.now();
    process.stdout.write(`\n── ${stage.name}\n`);
    const { passed, failed, skipped, failures } = await stage.run();
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    total.failures.push(...failures.map((failure) => `${stage.name}: ${failure}`));
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
    process.stdout.write(`${stage.name}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s\n`);
  }
} finally {
  await rm(reports, { recursive: true, force: true });
}

process.stdout.write('\n');
for (const failure of total.failures) process.stdout.write(`FAILED ${failure}\n`);
const skippedText = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.exitCode = total.failed > 0 ? 1 : 0;
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skippedText}\n`);
