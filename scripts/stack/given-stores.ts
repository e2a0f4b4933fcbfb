import { createPool } from '#libs/database';
import { closeRedis, createRedis, whenRedisReady } from '#libs/redis';
import type { StackOptions } from './stack-options.ts';

const answerTimeoutMs = 5_000;

/** Of the stores that the environment names: those that do not answer. */
export async function findStoreFaults(options: StackOptions): Promise<string[]> {
  const { databaseUrl, redisUrl } = options;
  const faults = await Promise.all([
    databaseUrl === undefined ? undefined : databaseFault(databaseUrl),
    redisUrl === undefined ? undefined : redisFault(redisUrl),
  ]);
  return faults.filter((fault) => fault !== undefined);
}

async function databaseFault(connectionString: string): Promise<string | undefined> {
  const pool = createPool({
    connectionString,
    applicationName: 'hongbao-start',
    max: 1,
    statementTimeoutMs: answerTimeoutMs,
    connectionTimeoutMs: answerTimeoutMs,
  });
  try {
    await pool.query('SELECT 1');
    return undefined;
  } catch (error) {
    return `DATABASE_URL: the database does not take queries (${reasonOf(error)})`;
  } finally {
    await pool.end();
  }
}

async function redisFault(url: string): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  const silent = () => undefined;
  const client = createRedis('producer', url, {
    name: 'start',
    log: { info: silent, warn: silent, error: silent },
    connectTimeoutMs: answerTimeoutMs,
  });
  let lastError: unknown;
  client.on('error', (error: unknown) => {
    lastError = error;
  });
  try {
    if (await whenRedisReady(client, answerTimeoutMs)) return undefined;
    return `REDIS_URL: no Redis answers at ${hostname}:${port || 6379} (${reasonOf(lastError)})`;
  } finally {
    await closeRedis(client);
  }
}

/** A connection that was refused by every address of a name has no message, only codes. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer';
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
