// How far a lane is behind: by the acceptance that has so many older ones, whatever the oldest ones are.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LocalServer } from '#libs/localservers';
import { closeRedis, createRedis, keys, type RedisClient, whenRedisReady } from '#libs/redis';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { grabLane, openLane } from './lane.ts';
import { readLaneBacklogs } from './lane-backlog.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
let redis: LocalServer;
let client: RedisClient;
beforeAll(async () => {
  redis = await startTestRedis();
  client = createRedis('cache', redis.url, { name: 'test', log });
  expect(await whenRedisReady(client, 10_000)).toBe(true);
});
afterAll(async () => {
  await closeRedis(client);
  await redis.stop();
});

it('counts the jobs of each lane and leaves its oldest ones out of its age', async () => {
  const enter = (lane: string, acceptedAtMs: number) =>
    client.zadd(keys.outstanding(lane), acceptedAtMs, `job-${acceptedAtMs}`);
  for (let no = 0; no < 4; no++) await enter(openLane(0), 1000 + no);
  for (let no = 0; no < 3; no++) await enter(openLane(1), 500 + no);
  const lanes = [openLane(0), openLane(1), grabLane(0)];
  expect(await readLaneBacklogs(client, lanes, 3)).toEqual([
    { lane: 'open-0', jobs: 4, behindSinceMs: 1003 },
    { lane: 'open-1', jobs: 3, behindSinceMs: undefined },
    { lane: 'grab-0', jobs: 0, behindSinceMs: undefined },
  ]);
});
