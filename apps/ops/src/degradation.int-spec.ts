// The degradation document: kept in PostgreSQL, pushed to every process, falling back by itself, surviving whatever goes away.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { type AuditEntry, degradationViewSchema } from '#libs/contracts';
import { DegradationHolder, featureKeys } from '#libs/degradation';
import type { LocalServer } from '#libs/localservers';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  keys,
  type RedisClient,
  readDegradation,
  subscribeDegradation,
  whenRedisReady,
  writeDegradation,
} from '#libs/redis';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { CuttableLine, startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { type Call, eventually, OpsService, silentLog } from './testing.ts';

let redisServer: LocalServer;
let redis: RedisClient;
let channels: ChannelSubscriber;
let database: TestDatabase;
let line: CuttableLine;
let ops: OpsService;
/** Another process's copy. */
let holder: DegradationHolder;

const startOps = () =>
  OpsService.start({ REDIS_URL: redisServer.url, DATABASE_URL: line.url, ALLOCATION_URL: 'http://127.0.0.1:9' });

beforeAll(async () => {
  redisServer = await startTestRedis();
});
beforeEach(async () => {
  await redisServer.restart();
  redis = createRedis('cache', redisServer.url, { name: 'test', log: silentLog });
  await whenRedisReady(redis, 10_000);
  await redis.flushall();
  channels = new ChannelSubscriber(
    createRedis('subscriber', redisServer.url, { name: 'test.subscriber', log: silentLog }),
    silentLog,
  );
  database = await createTestDatabase(inject('postgresUrl'));
  line = await CuttableLine.to(database.url);
  ops = await startOps();
  holder = new DegradationHolder({
    source: {
      read: () => readDegradation(redis),
      subscribe: (onState) => subscribeDegradation(channels, onState),
    },
  });
  await holder.start();
  await channels.whenSubscribed(10_000);
});
afterEach(async () => {
  await holder.stop();
  await ops.close();
  await channels.close();
  await closeRedis(redis);
  line.close();
  await database.drop();
});
afterAll(async () => {
  await redisServer?.restart();
  await redisServer?.stop();
});

const putTier = (body: Record<string, unknown>, on = ops): Promise<Call> =>
  on.call('PUT', '/ops/v1/degradation/tier', { reason: 'test', ...body });
const putFeature = (key: string, body: Record<string, unknown>, on = ops): Promise<Call> =>
  on.call('PUT', `/ops/v1/degradation/features/${key}`, { reason: 'test', ...body });
const view = async (on = ops) => degradationViewSchema.parse((await on.get('/degradation')).body);
const audit = async (): Promise<AuditEntry[]> => (await ops.get('/audit-log?limit=200')).body.entries;
const soon = (ms: number) => new Date(Date.now() + ms).toISOString();

describe('changes', () => {
  it('begin with everything on', async () => {
    const { features, ...rest } = await view();
    expect(rest).toMatchObject({ version: 0, mode: 'auto', tier: 0, tierName: 'full' });
    expect(features.map(({ key, effective }) => [key, effective])).toEqual(featureKeys.map((key) => [key, 'on']));
  });

  it('a pin and a switch reach another process by push, and both can be taken back', async () => {
    const pinned = await putTier({ mode: 'pinned', tier: 3 });
    expect([pinned.status, pinned.body.tier, pinned.body.version]).toEqual([200, 3, 1]);
    await eventually(() => holder.tier()).toBe(3);
    await putFeature('leaderboard', { state: 'on' });
    await eventually(() => [holder.isOn('leaderboard'), holder.isOn('feed')]).toEqual([true, false]);
    await putTier({ mode: 'auto' });
    await putFeature('leaderboard', { state: 'auto' });
    await eventually(() => [holder.tier(), holder.state().version]).toEqual([0, 4]);
    expect(Object.values(holder.flags()).every((flag) => flag === 'on')).toBe(true);
  });

  it('are audited with what was before and after, in the transaction that makes them', async () => {
    await putTier({ mode: 'floor', tier: 2, reason: 'rain' });
    await putFeature('feed', { state: 'off', reason: 'noise' });
    const [second, first] = await audit();
    expect(first).toMatchObject({ action: 'degradation.tier', target: 'degradation', reason: 'rain' });
    expect(first!.detail).toMatchObject({ mode: 'floor', tier: 2, before: { version: 0 }, after: { version: 1 } });
    expect(second).toMatchObject({ action: 'degradation.feature', target: 'feature:feed', reason: 'noise' });
    expect(first!.actor).toMatch(/^operator:/);
  });

  it.each([
    ['a pin without a tier', 'tier', { mode: 'pinned' }],
    ['a tier that does not exist', 'tier', { mode: 'pinned', tier: 6 }],
    ['an end that is past', 'tier', { mode: 'pinned', tier: 1, until: '2020-01-01T00:00:00Z' }],
    ['no reason', 'tier', { mode: 'auto', reason: undefined }],
    ['a state that does not exist', 'features/feed', { state: 'maybe' }],
  ])('%s is refused and changes nothing', async (_name, path, body) => {
    const answer = await ops.call('PUT', `/ops/v1/degradation/${path}`, { reason: 'test', ...body });
    expect([answer.status, answer.body.code]).toEqual([400, 'bad_request']);
    expect((await view()).version).toBe(0);
  });

  it('of an unknown feature are refused', async () => {
    const answer = await putFeature('constructor', { state: 'off' });
    expect([answer.status, answer.body.code]).toEqual([404, 'feature_unknown']);
  });

  it('made at the same time by two processes are all kept: no version is given twice, nothing is lost', async () => {
    const other = await startOps();
    const answers = await Promise.all(
      featureKeys.map((key, no) => putFeature(key, { state: 'off' }, no % 2 === 0 ? ops : other)),
    );
    expect(answers.map(({ status }) => status)).toEqual(featureKeys.map(() => 200));
    expect(new Set(answers.map(({ body }) => body.version)).size).toBe(featureKeys.length);
    await eventually(() => holder.state().version).toBe(featureKeys.length);
    expect(Object.values(holder.flags()).every((flag) => flag === 'off')).toBe(true);
    await eventually(async () => (await view(other)).version).toBe(featureKeys.length);
    await other.close();
  });
});

describe('end times', () => {
  it('a pin and a switch fall back by themselves, in the document too, and that is audited', async () => {
    await putTier({ mode: 'pinned', tier: 4, until: soon(5000) });
    await putFeature('wallet', { state: 'off', until: soon(5000) });
    await eventually(() => [holder.tier(), holder.isOn('wallet')]).toEqual([4, false]);
    await eventually(() => [holder.tier(), holder.isOn('wallet')]).toEqual([0, true]);
    await eventually(
      async () => (await audit()).filter(({ action }) => action === 'degradation.fall_back').length,
    ).toBeGreaterThan(0);
    await eventually(() => holder.state()).toMatchObject({ mode: 'auto', features: {} });
  });

  it('are kept by a process that cannot hear from anybody', async () => {
    await putTier({ mode: 'pinned', tier: 4, until: soon(5000) });
    await eventually(() => holder.tier()).toBe(4);
    await redisServer.kill();
    await eventually(() => holder.tier()).toBe(0);
  });
});

describe('what goes away', () => {
  it('a change that is made while Redis is away is stored, and pushed when it is back', async () => {
    await redisServer.kill();
    const answer = await putTier({ mode: 'pinned', tier: 2 });
    expect([answer.status, answer.body.tier]).toEqual([200, 2]);
    expect(holder.tier()).toBe(0);
    await redisServer.restart();
    await eventually(() => holder.tier()).toBe(2);
  });

  it('a document that Redis lost, or a stale one that came back, is put right', async () => {
    await putTier({ mode: 'pinned', tier: 1 });
    const stale = (await readDegradation(redis))!;
    await putTier({ mode: 'pinned', tier: 2 });
    await redis.del(keys.degradation);
    await eventually(async () => (await readDegradation(redis))?.version).toBe(2);
    await redis.del(keys.degradation);
    await writeDegradation(redis, stale);
    await eventually(async () => (await readDegradation(redis))?.version).toBe(2);
    await eventually(() => holder.tier()).toBe(2);
  });

  it('a database that was made anew takes the state over: its version passes the one that processes know', async () => {
    for (const tier of [1, 2, 3, 4]) await putTier({ mode: 'pinned', tier });
    await eventually(() => holder.tier()).toBe(4);
    await database.pool.query('DELETE FROM degradation_state');
    await eventually(() => holder.tier()).toBe(0);
    expect((await view()).version).toBe(5);
    expect((await audit())[0]!.action).toBe('degradation.pass_version');
  });

  it('without PostgreSQL the state can be read but not changed; afterwards it can', async () => {
    await putTier({ mode: 'pinned', tier: 2 });
    line.cut();
    const refused = await putTier({ mode: 'pinned', tier: 5 });
    expect([refused.status, refused.body.code]).toEqual([503, 'dependency_unavailable']);
    expect((await view()).tier).toBe(2);
    await eventually(() => holder.tier()).toBe(2);
    line.mend();
    expect((await putTier({ mode: 'pinned', tier: 5 })).status).toBe(200);
  });

  it('a new operations process begins with what is stored', async () => {
    await putFeature('feed', { state: 'off' });
    await ops.close();
    ops = await startOps();
    expect((await view()).features.find(({ key }) => key === 'feed')?.effective).toBe('off');
  });
});
