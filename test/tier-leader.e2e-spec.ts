import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { AuditEntry, DegradationState } from '#libs/contracts';
import { freePort, type LocalServer } from '#libs/localservers';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  keys,
  type RedisClient,
  readDegradation,
  subscribeDegradation,
  whenRedisReady,
  writeFigures,
} from '#libs/redis';
import { createTestDatabase, type TestDatabase } from '../libs/database/src/testing.ts';
import { startTestRedis } from '../libs/localservers/src/testing.ts';
import { ServiceProcess } from '../scripts/stack/service-process.ts';
import { type Answer, call, until } from './support/http.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const token = 'operator-token-of-a-test';

/** Two operations processes as they run in production, over one PostgreSQL and one Redis. */
class Ops {
  constructor(
    readonly service: ServiceProcess,
    readonly id: string,
    private readonly url: string,
  ) {}

  static async start(id: string, stores: Record<string, string>, logDir: string): Promise<Ops> {
    const port = String(await freePort());
    const url = `http://127.0.0.1:${port}`;
    const env = { ...stores, OPS_ID: id, OPS_PORT: port, OPS_TOKEN: token, LOG_LEVEL: 'info' };
    const secrets = { INTERNAL_TOKEN: 'internal-token-of-a-test', ALLOCATION_URL: 'http://127.0.0.1:9' };
    const place = { logFile: join(logDir, `${id}.log`), isClustered: false, readyUrl: `${url}/readyz`, readyCount: 1 };
    const service = new ServiceProcess({
      name: id,
      app: 'ops',
      env: { ...env, ...secrets },
      ...place,
      say: () => undefined,
    });
    await service.start();
    return new Ops(service, id, url);
  }

  get(path: string): Promise<Answer> {
    return call('GET', `${this.url}/ops/v1${path}`, { token });
  }

  /** Who leads, as this one knows. */
  async leader(): Promise<string | undefined> {
    return (await this.get('/degradation')).body.control?.leader;
  }
}

let dir: string;
let redisServer: LocalServer;
let redis: RedisClient;
let channels: ChannelSubscriber;
let database: TestDatabase;
let all: Ops[] = [];
let sampling: NodeJS.Timeout;
/** What the one gateway of this test says of its event loop. */
let loopDelayMs = 0;
const told: DegradationState[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hongbao-ops-'));
  redisServer = await startTestRedis();
  redis = createRedis('cache', redisServer.url, { name: 'test', log });
  await whenRedisReady(redis, 10_000);
  channels = new ChannelSubscriber(createRedis('subscriber', redisServer.url, { name: 'test', log }), log);
  subscribeDegradation(channels, (state) => told.push(state));
  database = await createTestDatabase(inject('postgresUrl'));
  // beside it one whose sample nobody can read: it keeps nobody from leading
  await redis.set(keys.gateway('gateway-1'), '{"loopDelayMs":');
  await redis.sadd(keys.gateways, 'gateway-1');
  sampling = setInterval(() => {
    const sample = { atMs: Date.now(), loopDelayMs, opens: {}, pace: { isOverloaded: false } };
    writeFigures(redis, { id: 'gateway-0', sample, sampleTtlMs: 5000 }).catch(() => undefined);
  }, 250);
  const stores = { REDIS_URL: redisServer.url, DATABASE_URL: database.url };
  all = [await Ops.start('ops-a', stores, dir), await Ops.start('ops-b', stores, dir)];
});
afterAll(async () => {
  clearInterval(sampling);
  await Promise.all(all.map(({ service }) => service.stop()));
  await channels.close();
  await closeRedis(redis);
  await database.drop();
  await redisServer.stop();
  rmSync(dir, { recursive: true, force: true });
});

const toldTiers = () => told.map(({ autoTier }) => autoTier);
const tellsTier = (tier: number) =>
  until(
    `tier ${tier}`,
    async () => toldTiers(),
    (tiers) => tiers.at(-1) === tier,
    90_000,
  );
/** All of these agree on one leader. */
const leaderOf = async (asked: readonly Ops[]): Promise<Ops> => {
  const leaders = () => Promise.all(asked.map((ops) => ops.leader()));
  const [leader] = await until('one leader', leaders, (ids) => ids[0] !== undefined && new Set(ids).size === 1, 90_000);
  return all.find(({ id }) => id === leader)!;
};
const otherThan = (ops: Ops): Ops => all.find((other) => other !== ops)!;

/**
 * Proves that one operations process at a time sets the tier: when it is killed, and when it is stopped, the other goes on from the tier
 * that holds; one that wakes with a lost lease writes nothing and stands by; and nothing is told twice or out of order.
 */
it('one of two operations processes leads, through a kill and a stop', async () => {
  const first = await leaderOf(all);
  loopDelayMs = 500;
  await tellsTier(1);

  await first.service.kill();
  // it stays away: one that is back before its lease ends, under its own name, goes on leading
  await first.service.stop();
  const second = otherThan(first);
  await until(
    'the other one leads',
    () => second.leader(),
    (id) => id === second.id,
    90_000,
  );
  loopDelayMs = 900;
  await tellsTier(2);
  await first.service.restart();
  expect((await leaderOf(all)).id).toBe(second.id);

  const { pid } = second.service;
  process.kill(pid, 'SIGSTOP');
  try {
    await until(
      'the first one leads again',
      () => first.leader(),
      (id) => id === first.id,
      90_000,
    );
    loopDelayMs = 2500;
    await tellsTier(4);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  // the one that wakes believes that it leads, at tier 2
  expect((await leaderOf(all)).id).toBe(first.id);
  loopDelayMs = 0;
  await tellsTier(3);

  expect(told.map(({ version }) => version)).toEqual(told.map((_, at) => at + 1));
  const audited = async () => (await second.get('/audit-log?limit=200')).body.entries as AuditEntry[];
  const entries = await until('the audit log', audited, (list) => list.length >= told.length);
  const changes = entries.map(({ action, detail }) => [action, (detail as { after: DegradationState }).after]);
  expect(changes.reverse()).toEqual(told.map((state) => ['degradation.auto_tier', state]));
  const { rows } = await database.pool.query('SELECT document FROM degradation_state');
  expect(rows[0].document).toEqual(await readDegradation(redis));
});
