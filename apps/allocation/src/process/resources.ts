import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AllocationConfig } from '#libs/contracts';
import {
  assertMigrated,
  createPool,
  createPrisma,
  createStockerPool,
  isDatabaseAway,
  type Pool,
  type PoolOptions,
  type PrismaClient,
} from '#libs/database';
import { DegradationHolder } from '#libs/degradation';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  type RedisClient,
  readDegradation,
  StoreClock,
  subscribeDegradation,
} from '#libs/redis';
import type { Logger, Registry } from '#libs/runtime';
import { grabCallsMax, openCallsMax } from '../settlement/lane-workers.ts';
import { type AllocationMetrics, createAllocationMetrics } from './metrics.ts';
import { findMigrations } from './migrations-directory.ts';

/** Connections of the money pool: settlement calls, and commands with dead letters and their replays. */
const moneyConnections = openCallsMax + grabCallsMax + 2;
/** The one that holds the stocker's lock, or tries to. */
const stockerConnections = 1;
/** One reconciliation, or the sums of one settle, at a time: they read a whole event. */
const reportConnections = 1;
/** Plans and dead letters. */
const prismaConnections = 1;
/** Reads of users (status, history, wallet) take what is left of DATABASE_POOL_MAX, and never what settlement needs. */
const readConnectionsMin = 1;
const fixedConnections = moneyConnections + stockerConnections + reportConnections + prismaConnections;
export const databaseConnectionsMin = fixedConnections + readConnectionsMin;

/** Longest statements: a settlement call of a full batch, a user's read, a page of a reconciliation. */
const moneyStatementMs = 10_000;
/** Longest wait for one lock of settlement: other calls hold a wallet for well under a second; see `settleBatch` for longer ones. */
const moneyLockMs = 2000;
const readStatementMs = 3000;
/** Reads that wait for a connection: what one gateway's bulkheads let through, with room for others. */
const readWaitersMax = 2048;
const reportStatementMs = 120_000;
/** A second report waits so long for its turn. */
const reportWaitMs = 20_000;

/** How often the start asks a database that does not answer. */
const startTriesMax = 4;
const startPauseMs = 500;

/** What this process holds open for its whole life. */
export interface Resources {
  readonly config: AllocationConfig;
  readonly logger: Logger;
  readonly metrics: AllocationMetrics;
  /** Name of this process in connections. */
  readonly name: string;
  readonly moneyPool: Pool;
  readonly stockerPool: Pool;
  readonly readPool: Pool;
  readonly reportPool: Pool;
  readonly prisma: PrismaClient;
  readonly cache: RedisClient;
  readonly channels: ChannelSubscriber;
  readonly clock: StoreClock;
  readonly degradation: DegradationHolder;
}

/**
 * Opens everything. PostgreSQL must be there and migrated: a start refuses rather than limps. Redis may come later.
 * @throws MigrationError that names what is missing, or the database's error.
 */
export async function openResources(config: AllocationConfig, logger: Logger, registry: Registry): Promise<Resources> {
  const name = `allocation-${hostname()}-${process.pid}`;
  const databases = openDatabases(config, logger);
  try {
    await askWhileAway(() => assertMigrated(databases.moneyPool, findMigrations()));
  } catch (cause) {
    await closeDatabases(databases);
    throw cause;
  }
  const redis = (role: 'cache' | 'subscriber') =>
    createRedis(role, config.REDIS_URL, { name: `${name}.${role}`, log: logger });
  const cache = redis('cache');
  const channels = new ChannelSubscriber(redis('subscriber'), logger);
  const clock = new StoreClock(cache);
  const degradation = new DegradationHolder({
    source: {
      read: () => readDegradation(cache),
      subscribe: (onState) => subscribeDegradation(channels, onState),
    },
    nowMs: () => clock.nowMs() ?? Date.now(),
  });
  clock.start();
  return {
    config,
    logger,
    metrics: createAllocationMetrics(registry),
    name,
    ...databases,
    cache,
    channels,
    clock,
    degradation,
  };
}

/** A database that has just been started, or is busy with starting everything else, may be slow to answer for the first time. */
async function askWhileAway(ask: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (cause) {
      if (tries >= startTriesMax || !isDatabaseAway(cause)) throw cause;
      await sleep(startPauseMs);
    }
  }
}

/** Closes everything; what uses it has ended before. */
export async function closeResources(resources: Resources): Promise<void> {
  const { degradation, clock, channels, cache } = resources;
  await degradation.stop();
  clock.stop();
  await Promise.all([channels.close(), closeRedis(cache), closeDatabases(resources)]);
}

type Databases = Pick<Resources, 'moneyPool' | 'stockerPool' | 'readPool' | 'reportPool' | 'prisma'>;

function openDatabases(config: AllocationConfig, logger: Logger): Databases {
  const shared = {
    connectionString: config.DATABASE_URL,
    onIdleError: (error: Error) => logger.warn({ err: error }, 'a database connection was lost'),
  };
  const pool = (use: string, rest: Omit<PoolOptions, keyof typeof shared | 'applicationName'>) =>
    createPool({ ...shared, applicationName: `allocation ${use}`, ...rest });
  return {
    moneyPool: pool('money', {
      max: moneyConnections,
      statementTimeoutMs: moneyStatementMs,
      lockTimeoutMs: moneyLockMs,
    }),
    stockerPool: createStockerPool({
      ...shared,
      applicationName: 'allocation stocker',
      max: stockerConnections,
      statementTimeoutMs: moneyStatementMs,
    }),
    readPool: pool('read', {
      max: config.DATABASE_POOL_MAX - fixedConnections,
      statementTimeoutMs: readStatementMs,
      waitersMax: readWaitersMax,
      breaker: {},
    }),
    reportPool: pool('report', {
      max: reportConnections,
      statementTimeoutMs: reportStatementMs,
      connectionTimeoutMs: reportWaitMs,
    }),
    prisma: createPrisma({
      ...shared,
      applicationName: 'allocation plans',
      max: prismaConnections,
      statementTimeoutMs: readStatementMs,
    }),
  };
}

async function closeDatabases({ prisma, moneyPool, stockerPool, readPool, reportPool }: Databases): Promise<void> {
  const pools = [moneyPool, stockerPool, readPool, reportPool];
  await Promise.all([...pools.map((pool) => pool.end()), prisma.$disconnect()]);
}
