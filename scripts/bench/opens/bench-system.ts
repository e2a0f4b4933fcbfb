import { join } from 'node:path';
import { z } from 'zod';
import { HongbaoOps } from '#libs/client';
import { keyRingSchema } from '#libs/contracts';
import { createPool, type Pool } from '#libs/database';
import { createKeyRing, type KeyRing } from '#libs/domain';
import { freePort } from '#libs/localservers';
import { closeRedis, createRedis, type RedisClient } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { readJsonFile } from '../../stack/json-file.ts';
import { loadSecrets, type Secrets } from '../../stack/secrets.ts';
import { portNames } from '../../stack/service-env.ts';
import { type Stack, startStack } from '../../stack/stack.ts';
import type { BenchContext } from '../frame/suite.ts';
import type { ProcessGroups } from '../measure/cpu-split.ts';

const statementTimeoutMs = 600_000;
const commandTimeoutMs = 20_000;
/** Settings that are told with the figures: what decides how durable an answer is, and how much memory the database has. */
const toldSettings = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
  'checkpoint_timeout',
  'wal_compression',
];

export interface SystemOptions {
  readonly context: BenchContext;
  /** Unique among the systems of the run. */
  readonly name: string;
  /** Absent: a PostgreSQL of its own, empty. */
  readonly databaseUrl?: string;
  /** Process id of the PostgreSQL that was given. */
  readonly postgresPid?: number;
  /** Shakes and money in processes of their own. */
  readonly split?: boolean;
  /** Settings of its services over those that every benchmark has. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: it steps back by itself as usual; else its tier is pinned to 0. */
  readonly stepsBack?: boolean;
}

/** The whole of Hongbao on this machine as `npm start` starts it, with a way to its stores. */
export class BenchSystem {
  private constructor(
    readonly stack: Stack,
    readonly secrets: Secrets,
    readonly ring: KeyRing,
    readonly ops: HongbaoOps,
    readonly pool: Pool,
    readonly cache: RedisClient,
    readonly dataDir: string,
    /** Process id of its PostgreSQL. */
    readonly postgresPid: number,
    readonly allocationMetricsUrl: string,
  ) {}

  static async start(options: SystemOptions): Promise<BenchSystem> {
    const { context, name, databaseUrl, postgresPid, split = false, env = {}, stepsBack = false } = options;
    const dataDir = join(context.dir, name);
    const { say, signal } = context;
    const stack = await startStack({
      dataDir,
      port: await freePort(),
      opsPort: await freePort(),
      gateways: 1,
      split,
      demoEvent: false,
      databaseUrl,
      // all users of a benchmark come from one address: what is limited by address is not what is measured
      env: { NEW_SESSIONS_PER_ADDRESS_PER_SECOND: '1000000', EARLY_SHAKES_PER_ADDRESS_PER_SECOND: '1000000', ...env },
      say,
      signal,
    });
    const secrets = await loadSecrets(dataDir, {});
    const ops = new HongbaoOps({ baseUrl: stack.opsUrl, token: stack.opsToken });
    // nothing steps back while it is measured, unless that is what is measured
    if (!stepsBack) await ops.setTier({ mode: 'pinned', tier: 0, reason: 'benchmark' });
    const log = createLogger('bench', 'silent');
    return new BenchSystem(
      stack,
      secrets,
      createKeyRing(keyRingSchema.parse(secrets.TICKET_KEYS)),
      ops,
      createPool({ connectionString: stack.databaseUrl, applicationName: 'benchmark', max: 2, statementTimeoutMs }),
      createRedis('cache', stack.redisUrl, { name: 'benchmark', log, commandTimeoutMs }),
      dataDir,
      stack.postgres?.pid ?? postgresPid ?? 0,
      `http://127.0.0.1:${await keptPort(dataDir, portNames.metricsOf('allocation'))}/metrics`,
    );
  }

  get gatewayPort(): number {
    return Number(new URL(this.stack.gatewayUrl).port);
  }

  /** Where opens go; the gateway's own unless split. */
  get moneyPort(): number {
    return Number(new URL(this.stack.moneyUrl).port);
  }

  /** Whose CPU time is told apart. */
  get processes(): ProcessGroups {
    const pidOf = (name: string) => this.stack.process(name).pid;
    const isSplit = this.stack.moneyUrl !== this.stack.gatewayUrl;
    return {
      gateway: [pidOf(isSplit ? 'gateway-money' : 'gateway-0')],
      allocation: [pidOf('allocation')],
      postgres: [this.postgresPid],
      redis: [this.stack.redis?.pid ?? 0],
      otherServices: ['share', 'ops', ...(isSplit ? ['gateway-0'] : [])].map(pidOf),
    };
  }

  /** What the stores were told about durability and memory. */
  async storeSettings(): Promise<Record<string, string>> {
    const { rows } = await this.pool.query<{ name: string; value: string }>(
      'SELECT name, current_setting(name) AS value FROM pg_settings WHERE name = ANY ($1)',
      [toldSettings],
    );
    const fsync = (await this.cache.config('GET', 'appendfsync')) as string[];
    return { ...Object.fromEntries(rows.map(({ name, value }) => [name, value])), appendfsync: fsync.at(-1) ?? '' };
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.pool.end(), closeRedis(this.cache)]);
    await this.stack.stop();
  }
}

/** A port that the stack chose for itself. */
async function keptPort(dataDir: string, name: string): Promise<number> {
  const ports = await readJsonFile(join(dataDir, 'ports.json'), z.record(z.string(), z.int()));
  const port = ports?.[name];
  if (port === undefined) throw new Error(`the stack in ${dataDir} has no port ${name}`);
  return port;
}
