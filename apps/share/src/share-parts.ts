import { hostname } from 'node:os';
import { type GrabItem, type GrabOutcome, grabReplySchema, type ShareConfig } from '#libs/contracts';
import { createPool, type Pool } from '#libs/database';
import { DegradationHolder, ReplyMean } from '#libs/degradation';
import { createKeyRing, type KeyRing } from '#libs/domain';
import { findOutstanding, LaneProducer, ReplyRegistry } from '#libs/queue';
import { EventReader, readDegradation, subscribeDegradation } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import { EventDirectory } from './event-directory.ts';
import { Feed } from './feed.service.ts';
import { Grabs, type GrabsLimits } from './grabs.service.ts';
import { Leaderboards } from './leaderboards.service.ts';
import { RecentOutcomes } from './recent-outcomes.ts';
import { ShareAdmission } from './share-admission.ts';
import { ShareMetrics } from './share-metrics.ts';
import { SharePages } from './share-pages.service.ts';
import { ShareRedis } from './share-redis.ts';

/** Reads are the first to yield: one that takes longer is given up. */
const statementTimeoutMs = 1000;
/** Longest wait for a connection of the pool, and how many may wait: pages are bounded by themselves, the rest is late grabs. */
const connectionTimeoutMs = 1000;
const waitersMax = 256;
const outcomesMax = 100_000;
/** Grabs that may wait in slow lanes, for each that may be under way: as the catalogue says (libs/degradation). */
const parkedPerInFlight = 10;

/** What tests set; a process takes what is built in. */
export interface ShareTimes {
  readonly monotonicMs?: () => number;
  /** How long a grab counts as under way. */
  readonly grabAwaitedMaxMs?: number;
  /** After which time it is looked whether a reply may still come, and again and again. */
  readonly replyTtlMs?: number;
}

/** Everything this process is made of, wired by hand: the types check it, Nest only serves it. */
export interface ShareParts {
  readonly config: ShareConfig;
  /** Names this process in replies: unique. */
  readonly processId: string;
  readonly keyRing: KeyRing;
  readonly pool: Pool;
  readonly redis: ShareRedis;
  readonly replies: ReplyRegistry<GrabOutcome>;
  readonly producer: LaneProducer<GrabItem, GrabOutcome>;
  readonly features: DegradationHolder;
  readonly events: EventDirectory;
  readonly pages: SharePages;
  readonly grabs: Grabs;
  readonly leaderboards: Leaderboards;
  readonly feed: Feed;
  readonly metrics: ShareMetrics;
  readonly admission: ShareAdmission;
}

/** Makes the parts; connections come up in the background. Nothing runs before `ShareLifecycle` starts it. */
export function createShareParts(config: ShareConfig, log: Logger, times: ShareTimes = {}): ShareParts {
  const processId = config.SHARE_ID ?? `share-${hostname()}-${process.pid}`;
  const redis = new ShareRedis(config, processId, log);
  const pool = createSharePool(config, processId, log);
  const nowMs = () => redis.readNowMs();
  const features = new DegradationHolder({
    // operations set the ends of pins and switches in the store's time
    nowMs,
    source: {
      read: () => readDegradation(redis.cache),
      subscribe: (onState) => subscribeDegradation(redis.channels, onState),
    },
    onSource: ({ isReachable, cause }) =>
      log[isReachable ? 'info' : 'warn']({ isReachable, err: cause }, 'degradation state'),
  });
  const events = new EventDirectory(new EventReader(redis.cache, log), log);
  const limits = grabLimitsOf(config, times);
  const replies = createReplies(limits, redis, log, times);
  const producer = new LaneProducer<GrabItem, GrabOutcome>({
    client: redis.producer,
    replies,
    replyTo: processId,
    clock: redis.clock,
    log,
  });
  const outcomes = new RecentOutcomes(outcomesMax);
  const { monotonicMs = () => performance.now() } = times;
  const metrics = new ShareMetrics();
  const replyTimes = new ReplyMean();
  const pages = new SharePages({
    pool,
    poolMax: config.DATABASE_POOL_MAX,
    events,
    features,
    outcomes,
    nowMs,
    monotonicMs,
  });
  const grabs = new Grabs({
    pool,
    cache: redis.cache,
    clock: redis.clock,
    producer,
    events,
    features,
    outcomes,
    pages,
    limits,
    counter: metrics.grabs,
    replyTimes,
    monotonicMs,
  });
  const leaderboards = new Leaderboards({ pool, events, features, log, nowMs, monotonicMs });
  const feed = new Feed({ events, features, monotonicMs });
  const admission = new ShareAdmission({
    isOn: config.LOCAL_ADMISSION === 'on',
    inFlightShare: () => grabs.inFlight() / limits.inFlightMax,
    replies: replyTimes,
  });
  watchFigures(metrics, grabs, feed, admission);
  const keyRing = createKeyRing(config.TICKET_KEYS);
  return {
    config,
    processId,
    keyRing,
    pool,
    redis,
    replies,
    producer,
    features,
    events,
    pages,
    grabs,
    leaderboards,
    feed,
    metrics,
    admission,
  };
}

function grabLimitsOf(config: ShareConfig, times: ShareTimes): GrabsLimits {
  return {
    acceptMaxMs: config.GRAB_ACCEPT_MAX_MS,
    replyWaitMs: config.GRAB_REPLY_WAIT_MS,
    inFlightMax: config.GRABS_IN_FLIGHT_MAX,
    parkedMax: config.GRABS_IN_FLIGHT_MAX * parkedPerInFlight,
    awaitedMaxMs: times.grabAwaitedMaxMs,
  };
}

function createReplies(
  { inFlightMax, parkedMax }: GrabsLimits,
  redis: ShareRedis,
  log: Logger,
  { replyTtlMs }: ShareTimes,
): ReplyRegistry<GrabOutcome> {
  return new ReplyRegistry<GrabOutcome>({
    replySchema: grabReplySchema,
    log,
    // each job carries a grab that is under way or parked, or its reply was lost a moment ago
    jobsMax: parkedMax + 2 * inFlightMax,
    findOutstanding: (lane, jobIds) => findOutstanding(redis.cache, lane, jobIds),
    ...(replyTtlMs === undefined ? {} : { jobTtlMs: replyTtlMs }),
  });
}

function watchFigures(metrics: ShareMetrics, grabs: Grabs, feed: Feed, admission: ShareAdmission): void {
  metrics.watch('hongbao_grabs_under_way', 'grabs sent to their lanes, but the parked ones', () => grabs.inFlight());
  metrics.watch('hongbao_grabs_parked', 'grabs that wait in slow lanes', () => grabs.parked());
  metrics.watch('hongbao_feed_streams', 'feed streams open', () => feed.size());
  metrics.watchAdmission(admission);
}

function createSharePool(config: ShareConfig, processId: string, log: Logger): Pool {
  return createPool({
    connectionString: config.DATABASE_URL,
    applicationName: processId,
    max: config.DATABASE_POOL_MAX,
    statementTimeoutMs,
    connectionTimeoutMs,
    waitersMax,
    breaker: {},
    onIdleError: (error) => log.warn({ reason: error.message }, 'an idle database connection was lost'),
  });
}
