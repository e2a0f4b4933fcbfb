import { hostname } from 'node:os';
import type { OpsConfig } from '#libs/contracts';
import { createPool, createPrisma, type Pool, type PrismaClient } from '#libs/database';
import { EventReader } from '#libs/redis';
import { InternalClient, type Logger, type Registry } from '#libs/runtime';
import { Audit } from './audit.service.ts';
import { DatabaseProbe } from './database-probe.ts';
import { DegradationKeeper } from './degradation-keeper.ts';
import { GatewaySamples } from './gateway-samples.ts';
import { Lanes } from './lanes.service.ts';
import { LiveStream } from './live-stream.ts';
import { opsMetrics } from './ops-metrics.ts';
import { OpsRedis } from './ops-redis.ts';
import { OpsTokens } from './ops-tokens.ts';
import { TierLeader } from './tier-leader.ts';
import { TierObserver } from './tier-observer.ts';
import { TokenDoor } from './token-door.ts';

const statementTimeoutMs = 3000;
/** Settling waits for lanes to be clear and closes every block; reconciling recomputes every amount from the ledger. */
export const longestCommandMs = 120_000;
/** Two for audit entries and degradation changes, a handful at a time, one for the probe. What the configuration allows beyond is for Prisma's reads. */
const writeConnections = 3;

/** Operators are few: what waits for a connection, and what is asked of allocation. */
const waitersMax = 64;
const allocationLink = { connectionsMax: 8, callsMax: 64, timeoutMs: 10_000 };
/** Settling and reconciling take minutes: they have sockets of their own, and take none from what is short. */
const reportLink = { connectionsMax: 4, callsMax: 16, timeoutMs: longestCommandMs };

/** Everything this process is made of, wired by hand: the types check it, Nest only serves it. */
export interface OpsParts {
  readonly pool: Pool;
  readonly prisma: PrismaClient;
  readonly redis: OpsRedis;
  readonly allocation: InternalClient;
  /** The same service, for what takes minutes. */
  readonly reports: InternalClient;
  readonly door: TokenDoor;
  readonly audit: Audit;
  readonly degradation: DegradationKeeper;
  readonly tierLeader: TierLeader;
  readonly lanes: Lanes;
  readonly live: LiveStream;
  readonly metrics: Registry;
  /** Store milliseconds. */
  readonly nowMs: () => number;
}

/** Makes the parts; connections come up in the background. Nothing runs before `OpsLifecycle` starts it. */
export function createOpsParts(config: OpsConfig, log: Logger): OpsParts {
  const redis = new OpsRedis(config, log);
  const nowMs = () => redis.nowMs();
  const { pool, prisma } = createDatabase(config, log);
  const events = new EventReader(redis.client, log);
  const degradation = new DegradationKeeper({
    pool,
    prisma,
    redis: redis.client,
    log,
    nowMs,
    storeMs: () => redis.storeMs(),
  });
  const allocation = { baseUrl: config.ALLOCATION_URL, token: config.INTERNAL_TOKEN, dependency: 'allocation' };
  const configured = { open: config.OPEN_LANES, grab: config.GRAB_LANES };
  const lanes = new Lanes({ redis: redis.client, events, configured, nowMs });
  const monotonicMs = () => performance.now();
  const probe = new DatabaseProbe(pool, monotonicMs);
  const samples = new GatewaySamples({ redis: redis.client, log, monotonicMs });
  const observer = new TierObserver({ redis: redis.client, events, samples, configured, probe, nowMs, monotonicMs });
  const tierLeader = new TierLeader({
    redis: redis.client,
    keeper: degradation,
    observer,
    leaderId: config.OPS_ID ?? `ops-${hostname()}-${process.pid}`,
    isControlling: config.TIER_CONTROL === 'on',
    log,
    nowMs,
    monotonicMs,
  });
  return {
    pool,
    prisma,
    redis,
    allocation: new InternalClient({ ...allocation, ...allocationLink }),
    reports: new InternalClient({ ...allocation, ...reportLink }),
    door: new TokenDoor(new OpsTokens(config.OPS_TOKEN, config.OPS_VIEWER_TOKEN), monotonicMs),
    audit: new Audit(pool, log),
    degradation,
    tierLeader,
    lanes,
    live: new LiveStream({ samples, events, lanes, degradation, log, nowMs }),
    metrics: opsMetrics({ degradation, tierLeader, samples, nowMs }),
    nowMs,
  };
}

function createDatabase(config: OpsConfig, log: Logger): Pick<OpsParts, 'pool' | 'prisma'> {
  const options = {
    connectionString: config.DATABASE_URL,
    applicationName: 'ops',
    statementTimeoutMs,
    waitersMax,
    breaker: {},
    onIdleError: (error: Error) => log.warn({ reason: error.message }, 'an idle database connection was lost'),
  };
  const reads = Math.max(1, config.DATABASE_POOL_MAX - writeConnections);
  return { pool: createPool({ ...options, max: writeConnections }), prisma: createPrisma({ ...options, max: reads }) };
}
