// The tier by itself: found from the signals by one process at a time, told through Redis at once, kept in PostgreSQL, under operators' hands.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { type AuditEntry, type DegradationState, degradationViewSchema } from '#libs/contracts';
import { DegradationHolder } from '#libs/degradation';
import type { LocalServer } from '#libs/localservers';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  holdTierLease,
  keys,
  type RedisClient,
  readDegradation,
  subscribeDegradation,
  whenRedisReady,
} from '#libs/redis';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { CuttableLine, startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { OpsService, SampledGateways, silentLog } from './testing.ts';

/** A change takes up to 10 s by the rules of the controller, on a busy machine a multiple. */
const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 50_000, interval: 50 });

let redisServer: LocalServer;
let redis: RedisClient;
let channels: ChannelSubscriber;
let database: TestDatabase;
let line: CuttableLine;
let gateways: SampledGateways;
let ops: OpsService;
/** Another process's copy. */
let holder: DegradationHolder;
/** Every document that was pushed. */
let pushed: DegradationState[];

const startOps = (env: Record<string, string> = {}) =>
  OpsService.start({
    REDIS_URL: redisServer.url,
    DATABASE_URL: line.url,
    ALLOCATION_URL: 'http://127.0.0.1:9',
    TIER_CONTROL: 'on',
    ...env,
  });

beforeAll(async () => {
  redisServer = await startTestRedis();
  redis = createRedis('cache', redisServer.url, { name: 'test', log: silentLog });
  await whenRedisReady(redis, 10_000);
});
beforeEach(async () => {
  await whenRedisReady(redis, 10_000);
  await redis.flushall();
  channels = new ChannelSubscriber(
    createRedis('subscriber', redisServer.url, { name: 'test.subscriber', log: silentLog }),
    silentLog,
  );
  pushed = [];
  subscribeDegradation(channels, (state) => pushed.push(state));
  holder = new DegradationHolder({
    source: { read: () => readDegradation(redis), subscribe: (onState) => subscribeDegradation(channels, onState) },
  });
  await holder.start();
  await channels.whenSubscribed(10_000);
  database = await createTestDatabase(inject('postgresUrl'));
  line = await CuttableLine.to(database.url);
  gateways = new SampledGateways(redis);
  ops = await startOps();
});
afterEach(async () => {
  gateways.stop();
  await ops.close();
  await holder.stop();
  await channels.close();
  line.close();
  await database.drop();
});
afterAll(async () => {
  await closeRedis(redis);
  await redisServer?.stop();
});

const view = async (on = ops) => degradationViewSchema.parse((await on.get('/degradation')).body);
const leaderOf = async (on = ops) => (await view(on)).control?.leader;
const whoeverLeads = async (): Promise<string> => {
  await eventually(leaderOf).toBeDefined();
  return (await leaderOf())!;
};
const audit = async (): Promise<AuditEntry[]> => (await ops.get('/audit-log?limit=200')).body.entries;
const autoEntries = async () => (await audit()).filter(({ action }) => action === 'degradation.auto_tier');
const putTier = (body: Record<string, unknown>) =>
  ops.call('PUT', '/ops/v1/degradation/tier', { reason: 'test', ...body });
const stored = async (): Promise<DegradationState | undefined> =>
  (await database.pool.query('SELECT document FROM degradation_state')).rows[0]?.document;

describe('the tier by itself', () => {
  it('rises by the signals, with the reason in the view, the document and the audit log, and comes back', async () => {
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
    expect([holder.isOn('leaderboard'), holder.modeOf('wallet')]).toEqual([false, 'full']);
    const reason =
      'delay of the event loop (99 % of a second) of at least half of the gateways that open packets: 500 ms (tier 1 from 400)';
    expect(await view()).toMatchObject({
      mode: 'auto',
      tier: 1,
      auto: { tier: 1, reason: expect.stringContaining(reason) },
    });
    expect((await view()).control?.signals).toContainEqual(
      expect.objectContaining({ key: 'loop_delay', value: 500, asksForTier: 1 }),
    );
    await eventually(stored).toMatchObject({ autoTier: 1, autoReason: expect.stringContaining(reason) });
    gateways.set({});
    await eventually(() => holder.tier()).toBe(0);
    expect(holder.isOn('leaderboard')).toBe(true);
    await eventually(async () => (await autoEntries()).map((entry) => [entry.actor, entry.reason])).toEqual([
      ['system', 'the signals have let go of tier 1'],
      ['system', expect.stringContaining(reason)],
    ]);
    expect(pushed.map(({ autoTier }) => autoTier)).toEqual([1, 0]);
    expect(await stored()).toEqual(await readDegradation(redis));
  });

  it('is what a pin hides and a floor lifts, and is there again when they end', async () => {
    await putTier({ mode: 'pinned', tier: 0 });
    gateways.set({ loopDelayMs: 2500 });
    await eventually(async () => (await view()).auto.tier).toBe(4);
    expect(holder.tier()).toBe(0);
    expect(await view()).toMatchObject({ mode: 'pinned', tier: 0 });
    await putTier({ mode: 'floor', tier: 2 });
    await eventually(() => holder.tier()).toBe(4);
    await putTier({ mode: 'floor', tier: 5 });
    await eventually(() => holder.tier()).toBe(5);
    await putTier({ mode: 'pinned', tier: 1, until: new Date(Date.now() + 3000).toISOString() });
    await eventually(() => holder.tier()).toBe(1);
    await eventually(() => holder.tier()).toBe(4);
    await eventually(stored).toMatchObject({ mode: 'auto', autoTier: 4 });
  });

  it('is told while PostgreSQL is away, because it is away, and kept there afterwards', async () => {
    expect((await putTier({ mode: 'floor', tier: 1 })).status).toBe(200);
    line.cut();
    await eventually(() => holder.tier()).toBe(3);
    expect((await view()).auto.reason).toContain('how long the database takes for nothing');
    expect((await putTier({ mode: 'pinned', tier: 0 })).body.code).toBe('dependency_unavailable');
    expect(await stored()).toMatchObject({ mode: 'floor', tier: 1, autoTier: 0 });
    line.mend();
    await eventually(stored).toMatchObject({ mode: 'floor', tier: 1, autoTier: 3 });
    await eventually(async () => (await autoEntries()).length).toBeGreaterThan(0);
    expect((await putTier({ mode: 'pinned', tier: 0 })).status).toBe(200);
    await eventually(() => [holder.tier(), holder.state().mode]).toEqual([0, 'pinned']);
  });

  it('a change of an operator that meets one of the controller under the same version is not lost', async () => {
    const leaderId = await whoeverLeads();
    const puts = Array.from({ length: 5 }, async (_, no) => {
      const put = putTier({ mode: 'floor', tier: no % 2 });
      await ops.parts.degradation.putAutoTier(no % 2 === 0 ? 4 : 3, 'test', leaderId);
      return (await put).status;
    });
    expect(await Promise.all(puts)).toEqual(puts.map(() => 200));
    await eventually(async () => (await stored())?.version).toBe((await readDegradation(redis))!.version);
    await eventually(stored).toEqual(await readDegradation(redis));
    expect((await audit()).filter(({ action }) => action === 'degradation.tier')).toHaveLength(5);
    const versions = pushed.map(({ version }) => version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  it('is 0 when the control is switched off, with the signals still shown; also one that was left behind', async () => {
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
    await ops.close();
    ops = await startOps({ TIER_CONTROL: 'off' });
    await eventually(() => holder.tier()).toBe(0);
    await eventually(async () => (await view()).control?.signals).toContainEqual(
      expect.objectContaining({ key: 'loop_delay', asksForTier: 1 }),
    );
    expect((await view()).auto).toEqual({ tier: 0, reason: 'TIER_CONTROL is off' });
  });
});

describe('what cannot be read', () => {
  const badTexts = ['{"loopDelayMs":', 'null', '7', '"text"', '[]', ''];
  const passedOver = async () =>
    Number(/^hongbao_gateway_samples_passed_over_total\S* (\d+)$/m.exec(await ops.parts.metrics.metrics())?.[1]);

  it('of the samples of gateways is passed over, counted, and hides no other; the live figures come too', async () => {
    for (const [no, text] of badTexts.entries()) {
      await redis.set(keys.gateway(`bad-${no}`), text);
      await redis.sadd(keys.gateways, `bad-${no}`);
    }
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    expect((await ops.parts.live.sample()).gateways.map(({ id }) => id)).toEqual(['gateway-0']);
    expect(await passedOver()).toBeGreaterThanOrEqual(badTexts.length);
  });

  it('makes the leader give the lease back and rest: another one can take it, and takes part again when it is done', async () => {
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    // of another type: whoever reads the board is refused
    await redis.set(keys.events, 'no board');
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(false);
    expect(await ops.parts.metrics.metrics()).toContain('hongbao_is_tier_leader{service="ops"} 0\n');
    // it keeps the lease for no more than three steps, and leaves it alone then: else this asks in vain
    await eventually(() => holdTierLease(redis, { holderId: 'somebody', leaseMs: 60_000 })).toEqual({
      status: 'taken',
    });
    expect(ops.parts.tierLeader.isLeading).toBe(false);
    await eventually(async () => (await view()).control).toBeUndefined();

    await redis.del(keys.events);
    await redis.del(keys.tierLeader);
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
  });

  it('of the document lets nobody lead who would have to change it, and whoever can read it goes on', async () => {
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    await redis.hset(keys.degradation, 'document', '{"version":');
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(false);
    await eventually(() => redis.exists(keys.tierLeader)).toBe(0);
    await redis.del(keys.degradation);
    await eventually(() => holder.tier()).toBe(1);
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
  });
});

describe('who sets it', () => {
  it('is one of several processes; each shows what that one sees; when it ends the next one follows', async () => {
    const first = await whoeverLeads();
    const other = await startOps();
    await eventually(() => leaderOf(other)).toBe(first);
    expect([ops, other].map(({ parts }) => parts.tierLeader.isLeading)).toEqual([true, false]);
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
    await eventually(async () => (await view(other)).tier).toBe(1);
    await ops.close();
    await eventually(() => other.parts.tierLeader.isLeading).toBe(true);
    ops = other;
    gateways.set({ loopDelayMs: 2500 });
    await eventually(() => holder.tier()).toBe(4);
    expect(pushed.map(({ autoTier }) => autoTier)).toEqual([1, 4]);
  });

  it('stops when its lease went to another one: what it still wants to write is refused', async () => {
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    const leaderId = (await leaderOf())!;
    await redis.del(keys.tierLeader);
    await holdTierLease(redis, { holderId: 'somebody', leaseMs: 60_000 });
    const before = await readDegradation(redis);
    expect(await ops.parts.degradation.putAutoTier(5, 'late', leaderId)).toBe('not_leader');
    expect(await readDegradation(redis)).toEqual(before);
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(false);
    await redis.del(keys.tierLeader);
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
  });

  it('nobody can be while Redis is away; it begins anew when that is back', async () => {
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
    await redisServer.kill();
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(false);
    await eventually(async () => (await view()).control).toBeUndefined();
    await redisServer.restart();
    await eventually(() => ops.parts.tierLeader.isLeading).toBe(true);
  });

  it('is told by the metrics, with the signals', async () => {
    gateways.set({ loopDelayMs: 500 });
    await eventually(() => holder.tier()).toBe(1);
    const metrics = async () => await ops.parts.metrics.metrics();
    await eventually(metrics).toMatch(/^hongbao_tier_signal\{signal="loop_delay",service="ops"\} 500$/m);
    for (const name of ['hongbao_tier', 'hongbao_tier_auto', 'hongbao_is_tier_leader'])
      expect(await metrics()).toContain(`${name}{service="ops"} 1\n`);
    expect(await metrics()).toContain('hongbao_tier_changes_total{direction="up",service="ops"} 1\n');
  });
});
