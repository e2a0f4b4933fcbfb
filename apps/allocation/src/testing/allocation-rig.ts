/** The allocation service in the test's own process, over a PostgreSQL database and a Redis of its own. */
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  allocationConfigSchema,
  type DeadLetter,
  type EventPlanInput,
  type OpsEvent,
  type PacketStatus,
  type Problem,
  type Reconciliation,
} from '#libs/contracts';
import { createPrisma, type EventRecord, type Pool, type PrismaClient } from '#libs/database';
import type { LocalServer } from '#libs/localservers';
import { createLogger, createMetrics, loadConfig } from '#libs/runtime';
import { createTestDatabase, type TestDatabase } from '../../../../libs/database/src/testing.ts';
import { startTestRedis } from '../../../../libs/localservers/src/testing.ts';
import { loadEvent } from '../events/event-store.ts';
import { createAllocationApp } from '../process/allocation-app.ts';
import type { AllocationParts } from '../process/allocation-parts.ts';
import { openResources } from '../process/resources.ts';
import { allocationParts } from '../process/tokens.ts';
import { TestGateway } from './test-gateway.ts';

export const internalToken = 'internal-token-of-tests';
/** Short times, so that a whole life fits into a test; nothing is asserted about how long anything takes. */
const shortTimes = { GRACE_MS: '200', STOCK_LEAD_MS: '500', OPEN_LANES: '4', GRAB_LANES: '2' };

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T & Partial<Problem>;
}

/** One allocation process, as far as a test can tell. */
export class RunningAllocation {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly parts: AllocationParts,
    readonly url: string,
  ) {}

  static async start(env: Record<string, string>): Promise<RunningAllocation> {
    const config = loadConfig('allocation', allocationConfigSchema, {
      INTERNAL_TOKEN: internalToken,
      PORT: '0',
      LOG_LEVEL: 'silent',
      SHUTDOWN_TIMEOUT_MS: '5000',
      ...shortTimes,
      ...env,
    });
    const logger = createLogger('allocation', config.LOG_LEVEL);
    const app = await createAllocationApp(await openResources(config, logger, createMetrics('allocation')));
    try {
      await app.listen(0, '127.0.0.1');
    } catch (cause) {
      await app.close();
      throw cause;
    }
    const { port } = app.getHttpServer().address() as AddressInfo;
    return new RunningAllocation(app, app.get<AllocationParts>(allocationParts), `http://127.0.0.1:${port}`);
  }

  async call<T>(method: 'GET' | 'POST', path: string, body?: unknown, token = internalToken): Promise<Answer<T>> {
    const response = await fetch(`${this.url}/internal/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    return { status: response.status, body: (await response.json()) as T & Partial<Problem> };
  }

  act(eventId: string, act: 'arm' | 'close' | 'settle'): Promise<Answer<OpsEvent>> {
    return this.call<OpsEvent>('POST', `/events/${eventId}/${act}`);
  }

  async event(eventId: string): Promise<OpsEvent> {
    return (await this.call<OpsEvent>('GET', `/events/${eventId}`)).body;
  }

  async reconcile(eventId: string): Promise<Reconciliation> {
    return (await this.call<Reconciliation>('GET', `/events/${eventId}/reconciliation`)).body;
  }

  async status(packetId: bigint | string, userId: string, epoch?: number): Promise<PacketStatus> {
    const query = epoch === undefined ? '' : `&epoch=${epoch}`;
    return (await this.call<PacketStatus>('GET', `/packets/${packetId}?userId=${userId}${query}`)).body as PacketStatus;
  }

  replay(letterId: bigint | string): Promise<Answer<DeadLetter>> {
    return this.call<DeadLetter>('POST', `/dead-letters/${letterId}/replay`);
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}

/** Servers, one allocation process and a stand-in for a gateway. */
export class AllocationRig {
  private constructor(
    readonly database: TestDatabase,
    readonly redis: LocalServer,
    readonly prisma: PrismaClient,
    readonly gateway: TestGateway,
    public allocation: RunningAllocation,
  ) {}

  static async create(env: Record<string, string> = {}): Promise<AllocationRig> {
    return AllocationRig.over(await createTestDatabase(), await startTestRedis(), env);
  }

  /** Over servers that the test may stop; `close` drops the database and stops this Redis. */
  static async over(
    database: TestDatabase,
    redis: LocalServer,
    env: Record<string, string> = {},
  ): Promise<AllocationRig> {
    const urls = { DATABASE_URL: database.url, REDIS_URL: redis.url };
    const prisma = createPrisma({
      connectionString: database.url,
      applicationName: 'test',
      max: 2,
      statementTimeoutMs: 10_000,
    });
    const allocation = await RunningAllocation.start({ ...urls, ...env });
    const gateway = await TestGateway.connect(redis.url);
    return new AllocationRig(database, redis, prisma, gateway, allocation);
  }

  get pool(): Pool {
    return this.database.pool;
  }

  get urls(): Record<'DATABASE_URL' | 'REDIS_URL', string> {
    return { DATABASE_URL: this.database.url, REDIS_URL: this.redis.url };
  }

  /** Creates and arms an event. */
  async arm(plan: EventPlanInput): Promise<EventRecord> {
    const { reason: _, ...body } = plan;
    const created = await this.allocation.call<OpsEvent>('POST', '/events', body);
    if (created.status !== 201) throw new Error(`create answered ${created.status}: ${JSON.stringify(created.body)}`);
    const armed = await this.allocation.act(created.body.id, 'arm');
    if (armed.status !== 200) throw new Error(`arm answered ${armed.status}: ${JSON.stringify(armed.body)}`);
    return this.record(created.body.id);
  }

  async record(eventId: string | number): Promise<EventRecord> {
    const event = await loadEvent(this.prisma, Number(eventId));
    return event!;
  }

  async close(): Promise<void> {
    await this.allocation?.close();
    await this.gateway?.close();
    await this.prisma?.$disconnect();
    await this.database?.drop();
    await this.redis?.stop();
  }
}
