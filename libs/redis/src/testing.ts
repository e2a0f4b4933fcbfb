import type { LocalServer } from '#libs/localservers';
import { startTestRedis } from '../../localservers/src/testing.ts';
import type { Log } from './log.ts';
import { closeRedis, createRedis, type RedisClient, whenRedisReady } from './redis-client.ts';

export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A log that remembers what it was told. */
export function recordingLog(): Log & { readonly lines: { level: string; message: string; fields: object }[] } {
  const lines: { level: string; message: string; fields: object }[] = [];
  const record = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields });
  return { lines, info: record('info'), warn: record('warn'), error: record('error') };
}

const readyMaxMs = 10_000;

export interface TestStore {
  readonly redis: LocalServer;
  readonly client: RedisClient;
  readonly stop: () => Promise<void>;
}

/** A Redis of a spec's own with a client that is connected; `stop` ends both. @throws when the client is not ready in time. */
export async function startTestStore(): Promise<TestStore> {
  const redis = await startTestRedis();
  const client = createRedis('cache', redis.url, { name: 'test', log: silentLog });
  const stop = async (): Promise<void> => {
    await closeRedis(client);
    await redis.stop();
  };
  if (await whenRedisReady(client, readyMaxMs)) return { redis, client, stop };
  await stop();
  throw new Error(`Redis was not ready within ${readyMaxMs} ms`);
}
