import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { projectRoot } from '../stack/project-root.ts';

const scenariosDir = join(projectRoot, 'loadtest', 'scenarios');
const bundlesDir = join(projectRoot, 'dist', 'loadtest');

/** The scenarios that there are: the files of loadtest/scenarios, without their ending. */
export async function scenarioNames(): Promise<string[]> {
  const files = await readdir(scenariosDir);
  return files.flatMap((file) => (file.endsWith('.ts') ? file.slice(0, -'.ts'.length) : [])).sort();
}

/** Bundles a scenario into one script for k6. @returns its path. @throws with esbuild's errors when it cannot be bundled. */
export async function bundleScenario(name: string): Promise<string> {
  const outfile = join(bundlesDir, `${name}.js`);
  await build({
    absWorkingDir: projectRoot,
    entryPoints: [join(scenariosDir, `${name}.ts`)],
    outfile,
    bundle: true,
    // k6 brings its own modules and knows neither Node's nor a browser's.
    external: ['k6', 'k6/*'],
    platform: 'neutral',
    format: 'esm',
    target: 'es2022',
    conditions: ['source'],
    logLevel: 'silent',
  });
  return outfile;
}
