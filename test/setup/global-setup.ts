import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
// By its path: the runner of global setups does not know the condition `source`.
import { findRedisServer, startPostgres } from '../../libs/localservers/src/index.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Administrator's url of the run's one PostgreSQL: tests make databases of their own in it. */
    postgresUrl: string;
  }
}

/** One PostgreSQL for all test files of a run, and the certainty that there is a Redis server to start. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  await findRedisServer({ say });
  const dataDir = await mkdtemp(join(tmpdir(), 'hongbao-test-postgres-'));
  const postgres = await startPostgres({ dataDir, durable: false, settings: { max_connections: '300' }, say });
  project.provide('postgresUrl', postgres.url);
  return async () => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
}
