// The store's time goes on when the store is away, whatever this machine's clock says, and what is for good waits for the real one.
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it, vi } from 'vitest';
import type { DegradationState } from '#libs/contracts';
import { createPool, createPrisma, type Pool, type PrismaClient } from '#libs/database';
import { modeAt, withFeature, withTier } from '#libs/degradation';
import type { LocalServer } from '#libs/localservers';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { DegradationKeeper } from './degradation-keeper.ts';
import { OpsRedis } from './ops-redis.ts';
import { eventually, silentLog } from './testing.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;
/** As the store has it: the same machine, before the clock of this process is put wrong. */
const trueNowMs = Date.now.bind(Date);

let redisServer: LocalServer;
let database: TestDatabase;
let pool: Pool;
let prisma: PrismaClient;
let redis: OpsRedis;
let keeper: DegradationKeeper;

beforeAll(async () => {
  redisServer = await startTestRedis();
});
beforeEach(async () => {
  await redisServer.restart();
  database = await createTestDatabase(inject('postgresUrl'));
  const options = { connectionString: database.url, applicationName: 'test', max: 2 };
  pool = createPool({ ...options, statementTimeoutMs: 3000, onIdleError: () => undefined });
  prisma = createPrisma({ ...options, statementTimeoutMs: 3000, onIdleError: () => undefined });
  // from here on this process is an hour ahead
  vi.spyOn(Date, 'now').mockImplementation(() => trueNowMs() + hourMs);
  redis = new OpsRedis({ REDIS_URL: redisServer.url }, silentLog, { intervalMs: 50, clockFreshMs: 1000 });
  const clock = { nowMs: () => redis.nowMs(), storeMs: () => redis.storeMs() };
  keeper = new DegradationKeeper({ pool, prisma, redis: redis.client, log: silentLog, ...clock });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await keeper.stop();
  await redis.close();
  await prisma.$disconnect();
  await pool.end();
  await database.drop();
});
afterAll(async () => {
  await redisServer?.restart();
  await redisServer?.stop();
});

const act = {
  actor: { role: 'operator', name: 'test' },
  action: 'test',
  target: 'degradation',
  reason: 'test',
} as const;
const stored = async (): Promise<DegradationState> =>
  (await pool.query('SELECT document FROM degradation_state')).rows[0]?.document;
/** Between what the store said before and what it would say now, but for the round trip of a sample. */
const isStoreTime = (nowMs: number) => Math.abs(nowMs - trueNowMs()) < hourMs / 2;

it('goes on by the last known offset while Redis is away, not by the clock of this machine', async () => {
  await redis.start(10_000);
  expect(isStoreTime(redis.nowMs())).toBe(true);
  await redisServer.kill();
  await eventually(() => redis.storeMs()).toBeUndefined();
  const atMs = redis.nowMs();
  expect(isStoreTime(atMs)).toBe(true);
  await eventually(() => redis.nowMs()).toBeGreaterThan(atMs);
});

it('is guessed by the clock of this machine only before the store was ever asked', async () => {
  await redisServer.kill();
  await redis.start(0);
  expect(redis.storeMs()).toBeUndefined();
  expect(isStoreTime(redis.nowMs() - hourMs)).toBe(true);
});

it('ends no pin and no switch early when Redis goes away, though the clock of this machine is past their end', async () => {
  await redis.start(10_000);
  const untilMs = trueNowMs() + minuteMs;
  await keeper.change(act, (state, nowMs) => withTier(state, { mode: 'pinned', tier: 4, untilMs }, nowMs));
  await keeper.change(act, (state, nowMs) => withFeature(state, 'feed', { state: 'off', untilMs }, nowMs));
  await redisServer.kill();
  await eventually(() => redis.storeMs()).toBeUndefined();
  await keeper.start();
  expect(await stored()).toMatchObject({ mode: 'pinned', tier: 4, untilMs, features: { feed: { untilMs } } });
  expect(modeAt(keeper.state(), redis.nowMs())).toBe('pinned');
});

it('folds what has ended by the time of the store only: a process that never heard it folds nothing until it does', async () => {
  await redisServer.kill();
  await redis.start(0);
  const ended = { mode: 'pinned', tier: 4, untilMs: trueNowMs() } as const;
  const open = { mode: 'pinned', tier: 4, untilMs: trueNowMs() + minuteMs } as const;
  await keeper.change(act, (state, nowMs) => withTier(state, open, nowMs));
  await keeper.start();
  expect(await stored()).toMatchObject(open);
  await keeper.change(act, (state, nowMs) => withTier(state, ended, nowMs));
  await redisServer.restart();
  await eventually(stored).toMatchObject({ mode: 'auto' });
});
