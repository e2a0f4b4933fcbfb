import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { keys, type RedisClient } from '#libs/redis';

const triesMax = 300;
const pauseMs = 100;
const scanCount = 1000;
const stockPattern = `${keys.stock(0).slice(0, -1)}*`;
const appendOnlyDir = 'appendonlydir';

/** Deletes keys of Redis behind everybody's back; how many. Waits for a Redis that is just coming up. */
export async function wipe(client: RedisClient, what: 'stock' | 'stamp' | 'everything'): Promise<number> {
  return await patiently(async () => {
    switch (what) {
      case 'stock':
        return await deleteAll(client, await keysMatching(client, stockPattern));
      case 'stamp':
        return await client.del(keys.stamp);
      case 'everything': {
        const count = await client.dbsize();
        await client.flushall();
        return count;
      }
    }
  });
}

/** Blocks on all stock lists now. */
export async function countListedBlocks(client: RedisClient): Promise<number> {
  const counts = await patiently(async () => {
    const lists = await keysMatching(client, stockPattern);
    return await Promise.all(lists.map((list) => client.llen(list)));
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Copies what Redis has on disk now; gives back the function that puts it in place of what is there then. */
export async function takeCopy(redisDir: string): Promise<(dir: string) => Promise<void>> {
  const copy = await mkdtemp(join(tmpdir(), 'hongbao-chaos-replica-'));
  await cp(join(redisDir, appendOnlyDir), join(copy, appendOnlyDir), { recursive: true });
  return async (dir) => {
    await rm(join(dir, appendOnlyDir), { recursive: true, force: true });
    await cp(join(copy, appendOnlyDir), join(dir, appendOnlyDir), { recursive: true });
    await rm(copy, { recursive: true, force: true });
  };
}

/** Repeats what fails while Redis is away. */
export async function patiently<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (attempt === triesMax) throw new Error('Redis stays away', { cause: error });
      await delay(pauseMs);
    }
  }
}

async function deleteAll(client: RedisClient, names: readonly string[]): Promise<number> {
  return names.length === 0 ? 0 : await client.del(...names);
}

async function keysMatching(client: RedisClient, pattern: string): Promise<string[]> {
  const names: string[] = [];
  let cursor = '0';
  do {
    const [next, found] = await client.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount);
    names.push(...found);
    cursor = next;
  } while (cursor !== '0');
  return names;
}
