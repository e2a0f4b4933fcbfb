/** `npm run loadtest -- NAME [k6 options]`: a k6 scenario of loadtest/ against a running system; k6's thresholds decide. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { bundleScenario, scenarioNames } from './loadtest/bundle.ts';
import { findK6, howToGetK6 } from './loadtest/find-k6.ts';
import { stackOptionsOf } from './stack/index.ts';
import { readJsonFile } from './stack/json-file.ts';

const secretsSchema = z.object({ OPS_TOKEN: z.string() });

try {
  const [name, ...k6Options] = process.argv.slice(2);
  process.exitCode = name === '--bundle-only' ? await bundleAll() : await runScenario(name, k6Options);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
}

async function bundleAll(): Promise<number> {
  for (const name of await scenarioNames()) process.stdout.write(`${await bundleScenario(name)}\n`);
  return 0;
}

async function runScenario(name: string | undefined, k6Options: readonly string[]): Promise<number> {
  const names = await scenarioNames();
  if (name === undefined || !names.includes(name)) {
    throw new Error(`npm run loadtest -- NAME [k6 options], NAME is one of: ${names.join(', ')}`);
  }
  const k6 = findK6(process.env);
  if (k6 === undefined) throw new Error(howToGetK6);
  const env = { ...process.env, ...(await addresses()), K6_NO_USAGE_REPORT: 'true' };
  // k6's own REST port stays closed: nothing here needs it, and it may be taken.
  const args = ['run', '--no-usage-report', '--address', '', ...k6Options, await bundleScenario(name)];
  // Ctrl-C reaches k6 too, which then tears down: that is waited for.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  const child = spawn(k6, args, { stdio: 'inherit', env });
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Where `npm start` runs with the same environment, unless GATEWAY_URL, OPS_URL and OPS_TOKEN say otherwise. */
async function addresses(): Promise<Record<string, string>> {
  const { port, opsPort, dataDir } = stackOptionsOf(process.env);
  const token =
    process.env['OPS_TOKEN'] ?? (await readJsonFile(join(dataDir, 'secrets.json'), secretsSchema))?.OPS_TOKEN;
  if (token === undefined) {
    throw new Error(
      `OPS_TOKEN is not set and ${dataDir} has none: run npm start first, or set GATEWAY_URL, OPS_URL and OPS_TOKEN`,
    );
  }
  return {
    GATEWAY_URL: process.env['GATEWAY_URL'] ?? `http://127.0.0.1:${port}`,
    OPS_URL: process.env['OPS_URL'] ?? `http://127.0.0.1:${opsPort}`,
    OPS_TOKEN: token,
  };
}
