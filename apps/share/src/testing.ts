/** A live event on a real PostgreSQL and Redis, with lanes that settle, around the share service: for its tests. */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import {
  type EventSnapshot,
  eventSnapshotSchema,
  type GrabItem,
  type GrabOutcome,
  grabJobSchema,
  shareConfigSchema,
  userHeader,
} from '#libs/contracts';
import {
  armEvent,
  createEvent,
  createPool,
  createPrisma,
  loadEvents,
  moveEvent,
  type Pool,
  settleGrabs,
  settleOpens,
  stockBlocks,
} from '#libs/database';
import {
  createKeyRing,
  derivePortions,
  deriveRunAmounts,
  type EventDraft,
  type PoolPlan,
  packetIdOf,
  packetRefOf,
  runPositionOf,
  signClaim,
} from '#libs/domain';
import type { LocalServer } from '#libs/localservers';
import { grabLane, LaneConsumer } from '#libs/queue';
import { createRedis, publishEvents, type RedisClient } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { startTestRedis } from '../../../libs/localservers/src/testing.ts';
import { createShareApp } from './share-app.ts';
import { createShareParts, type ShareParts, type ShareTimes } from './share-parts.ts';

/** For `expect`: asks until it holds, for as long as a busy machine may need. */
export const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 20_000, interval: 20 });

export const silentLog = createLogger('test', 'silent');
const internalToken = 'internal-token-of-a-test';
const ringKey = randomBytes(32);
export const ring = createKeyRing([{ id: 1, key: ringKey }]);
const secret = randomBytes(32);
const ticketKeys = `1:${ringKey.toString('base64url')}`;
export const portions = 3;
export const firstEpoch = 1;

export interface Call {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted field by field
  readonly body: any;
  readonly headers: Headers;
}

/** The share service as a process has it, on a free port. */
export class ShareService {
  /** What callers of the service know. */
  static readonly internalToken = internalToken;

  private constructor(
    readonly parts: ShareParts,
    readonly url: string,
    readonly close: () => Promise<void>,
  ) {}

  static async start(env: Record<string, string>, times: ShareTimes = {}): Promise<ShareService> {
    const config = shareConfigSchema.parse({ INTERNAL_TOKEN: internalToken, TICKET_KEYS: ticketKeys, ...env });
    const parts = createShareParts(config, silentLog, times);
    const app = await createShareApp(parts, silentLog);
    await app.listen(0, '127.0.0.1');
    return new ShareService(parts, await app.getUrl(), () => app.close());
  }

  async call(method: 'GET' | 'POST', path: string, user?: string, token = internalToken): Promise<Call> {
    const headers = { authorization: `Bearer ${token}`, ...(user === undefined ? {} : { [userHeader]: user }) };
    const response = await fetch(`${this.url}/internal/v1${path}`, { method, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  page(token: string, user?: string): Promise<Call> {
    return this.call('GET', `/shares/${token}`, user);
  }

  grab(token: string, user: string): Promise<Call> {
    return this.call('POST', `/shares/${token}/grab`, user);
  }
}

const packetCount = 64;
/** As it follows from the wave's pace. */
const blockSize = 1;
const planOf = (poolId: number): PoolPlan => ({
  poolId,
  packetCount,
  blockSize,
  budgetFen: 64_000,
  minFen: 100,
  maxFen: 5000,
  sharePortions: portions,
  shareBudgetFen: 19_200,
});

function draftOf(nowMs: number): EventDraft {
  const { poolId: _id, blockSize: _size, ...pool } = planOf(0);
  return {
    title: 'Test',
    startsAtMs: nowMs - 1000,
    endsAtMs: nowMs + 3_600_000,
    sharesEndAtMs: nowMs + 7_200_000,
    perUserMax: 64,
    ticketTtlMs: 60_000,
    staggerMs: 0,
    shakeIntervalMs: 1000,
    blockLifeMs: 60_000,
    graceMs: 1000,
    reissue: 'event',
    sponsors: Array.from({ length: 8 }, (_, no) => ({ id: `sponsor-${no}`, name: `Sponsor ${no}` })),
    waves: [
      {
        no: 0,
        startsAtMs: nowMs,
        durationMs: 3_000_000,
        pools: [{ ...pool, sponsorId: 'sponsor-0', releaseCurve: 'even' }],
      },
    ],
  };
}

/** A Redis and a database of a spec's own. */
export class ShareStores {
  private constructor(
    readonly redis: LocalServer,
    readonly database: TestDatabase,
  ) {}

  static async start(postgresUrl: string): Promise<ShareStores> {
    const redis = await startTestRedis();
    try {
      return new ShareStores(redis, await createTestDatabase(postgresUrl));
    } catch (error) {
      await redis.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.database.drop();
    await this.redis.stop();
  }
}

/** One live event with one stocked pool. Its packets are told apart by their number. */
export class ShareWorld {
  private readonly consumers: LaneConsumer<GrabItem, GrabOutcome>[] = [];
  /** Items that the lanes settled, in order. */
  readonly settled: GrabItem[] = [];

  private constructor(
    readonly pool: Pool,
    readonly redis: RedisClient,
    private readonly redisUrl: string,
    readonly event: EventSnapshot,
  ) {}

  static async create(databaseUrl: string, redisUrl: string): Promise<ShareWorld> {
    const connection = { connectionString: databaseUrl, applicationName: 'test', max: 4, statementTimeoutMs: 5000 };
    const pool = createPool(connection);
    const redis = createRedis('cache', redisUrl, { name: 'test', log: silentLog });
    const event = await armedEvent(pool, connection);
    const world = new ShareWorld(pool, redis, redisUrl, event);
    await world.publish();
    return world;
  }

  /** Puts the event on the board in Redis (again). */
  async publish(): Promise<void> {
    await retried(() => publishEvents(this.redis, [this.event]));
  }

  packetId(no: number): bigint {
    return packetIdOf({ poolId: this.poolId, blockNo: Math.floor(no / blockSize), index: no % blockSize });
  }

  /** The share token that the gateway makes for the winner of a packet. */
  shareToken(no: number, owner: string, atMs = this.event.sharesEndAtMs, epoch = firstEpoch): string {
    const claim = { eventId: this.event.id, packetId: this.packetId(no), epoch, sponsorNo: 0, atMs };
    return signClaim(ring, { kind: 'share', ...claim, userId: owner });
  }

  /** Opens a packet for its winner; gives its amount. */
  async open(no: number, owner: string, epoch = firstEpoch): Promise<number> {
    const packetId = this.packetId(no);
    const plan = planOf(this.poolId);
    const { runNo, position } = runPositionOf(plan, packetRefOf(packetId));
    const amountFen = deriveRunAmounts(secret, plan, runNo)[position]!;
    const claim = { packetId, eventId: this.event.id, sponsorNo: 0, userId: owner, epoch, amountFen };
    const [outcome] = await settleOpens(this.pool, [{ ...claim, acceptedAtMs: Date.now() }]);
    if (outcome?.outcome !== 'credited') throw new Error(`packet ${no} was not credited: ${JSON.stringify(outcome)}`);
    return amountFen;
  }

  portionsOf(no: number): number[] {
    return derivePortions(secret, planOf(this.poolId), this.packetId(no));
  }

  /** Lets the lanes settle grabs, as allocation does. */
  startLanes(): void {
    for (let no = 0; no < this.event.grabLaneCount; no++) {
      const consumer = new LaneConsumer<GrabItem, GrabOutcome>({
        lane: grabLane(no),
        redisUrl: this.redisUrl,
        name: 'test',
        log: silentLog,
        jobSchema: grabJobSchema,
        settle: (items) => this.settle(items),
        onMalformed: () => Promise.reject(new Error('no job of a test is malformed')),
      });
      consumer.start();
      this.consumers.push(consumer);
    }
  }

  /** As allocation does at tier 3; 0: full speed again. */
  slowLanes(delayMs: number): void {
    for (const consumer of this.consumers) consumer.setSlow(delayMs);
  }

  async stopLanes(): Promise<void> {
    await Promise.all(this.consumers.splice(0).map((consumer) => consumer.close(5000)));
  }

  async close(): Promise<void> {
    await this.stopLanes();
    this.redis.disconnect();
    await this.pool.end();
  }

  private get poolId(): number {
    return this.event.pools[0]!.poolId;
  }

  private async settle(items: readonly GrabItem[]): Promise<GrabOutcome[]> {
    this.settled.push(...items);
    const claims = items.map((item) => {
      const packetId = BigInt(item.packetId);
      return { ...item, packetId, portionsFen: derivePortions(secret, planOf(this.poolId), packetId) };
    });
    return await settleGrabs(this.pool, claims);
  }
}

async function armedEvent(pool: Pool, connection: Parameters<typeof createPrisma>[0]): Promise<EventSnapshot> {
  const nowMs = Date.now();
  const eventId = await createEvent(pool, draftOf(nowMs), nowMs);
  const lanes = { openLaneCount: 2, grabLaneCount: 2 };
  const commitment = { secret, secretCommitment: 'commitment', canonicalPlan: '{}' };
  await armEvent(pool, { eventId, atMs: nowMs, ...commitment, ...lanes });
  await moveEvent(pool, { eventId, from: 'armed', to: 'live', atMs: nowMs });
  const prisma = createPrisma(connection);
  const [record] = await loadEvents(prisma, { ids: [eventId] });
  await prisma.$disconnect();
  const { poolId, blockCount } = record!.pools[0]!;
  const all = { poolId, upToBlock: blockCount, countMax: blockCount, issueUntilMs: nowMs + 600_000 };
  await stockBlocks(pool, { pools: [all], stockedAtMs: nowMs });
  return eventSnapshotSchema.parse({ ...record, ...lanes, stockLeadMs: 2000, secretCommitment: 'commitment' });
}

/** Repeats what fails while a connection comes up. */
export async function retried<T>(work: () => Promise<T>, tries = 100): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await work();
    } catch (error) {
      if (n >= tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
