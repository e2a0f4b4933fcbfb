// Samples of gateways are read one by one: what cannot be read is passed over, counted, and told now and then.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LocalServer } from '#libs/localservers';
import { closeRedis, createRedis, keys, type RedisClient, whenRedisReady, writeFigures } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import { startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { GatewaySamples } from './gateway-samples.ts';
import { silentLog } from './testing.ts';

let redisServer: LocalServer;
let redis: RedisClient;

beforeAll(async () => {
  redisServer = await startTestRedis();
  redis = createRedis('cache', redisServer.url, { name: 'test', log: silentLog });
  await whenRedisReady(redis, 10_000);
});
afterAll(async () => {
  await closeRedis(redis);
  await redisServer.stop();
});

it('lists what can be read, forgets who is gone, and tells of the rest once a minute', async () => {
  const clock = { nowMs: 0 };
  const lines: unknown[] = [];
  const log = { warn: (fields: unknown) => lines.push(fields) } as unknown as Logger;
  const samples = new GatewaySamples({ redis, log, monotonicMs: () => clock.nowMs });
  await writeFigures(redis, { id: 'b', sample: { shakes: 1 }, sampleTtlMs: 600_000 });
  await writeFigures(redis, { id: 'd', sample: { shakes: 2 }, sampleTtlMs: 600_000 });
  await redis.set(keys.gateway('a'), '{"shakes":');
  await redis.set(keys.gateway('c'), '[1]');
  await redis.sadd(keys.gateways, 'a', 'c', 'gone');

  for (let second = 0; second < 100; second++) {
    clock.nowMs = second * 1000;
    expect(await samples.list()).toEqual([
      { id: 'b', sample: { shakes: 1 } },
      { id: 'd', sample: { shakes: 2 } },
    ]);
  }
  expect(samples.passedOver).toBe(200);
  expect(lines).toEqual([
    { gatewayId: 'a', passedOver: 1 },
    { gatewayId: 'a', passedOver: 121 },
  ]);
  expect((await redis.smembers(keys.gateways)).sort()).toEqual(['a', 'b', 'c', 'd']);
});
