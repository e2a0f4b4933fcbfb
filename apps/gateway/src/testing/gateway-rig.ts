/** A real gateway over a real Redis, with scripted neighbours: for its tests. */
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  type EventSnapshot,
  gatewayConfigSchema,
  type OpenItem,
  type OpenOutcome,
  openJobSchema,
  type StockedBlock,
} from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { LaneConsumer, openLane } from '#libs/queue';
import {
  closeRedis,
  createRedis,
  publishEvents,
  pushBlocks,
  type RedisClient,
  readStore,
  resetStock,
  whenRedisReady,
} from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { startTestRedis } from '../../../../libs/localservers/src/testing.ts';
import { createGatewayApp } from '../gateway-app.ts';
import { createGatewayParts, type GatewayParts } from '../gateway-parts.ts';
import { ScriptedService, sendJson } from './scripted-service.ts';
import { testTicketKey } from './test-event.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  readonly body: any;
}

export interface CallOptions {
  readonly token?: string;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string;
  readonly headers?: Record<string, string>;
  /** The call fails when there is no answer by then. */
  readonly timeoutMs?: number;
}

const redisReadyMaxMs = 10_000;
const consumerCloseMaxMs = 2000;
const stockListBlocksMax = 10_000;
const shakePauseMaxMs = 200;
const callMaxMs = 20_000;
const log = createLogger('gateway', 'silent');

export class GatewayRig {
  private readonly consumers: LaneConsumer<OpenItem, OpenOutcome>[] = [];

  private constructor(
    readonly redis: LocalServer,
    readonly client: RedisClient,
    readonly allocation: ScriptedService,
    readonly share: ScriptedService,
    readonly parts: GatewayParts,
    readonly app: NestFastifyApplication,
    readonly url: string,
  ) {}

  /** `env`: settings over the ones for tests. */
  static async start(env: Record<string, string> = {}): Promise<GatewayRig> {
    const redis = await startTestRedis();
    const client = createRedis('cache', redis.url, { name: 'test', log });
    await whenRedisReady(client, redisReadyMaxMs);
    const { runId } = await readStore(client);
    await resetStock(client, { runId });
    const allocation = new ScriptedService((_request, response) => sendJson(response, 200, { status: 'open' }));
    const share = new ScriptedService((_request, response) => sendJson(response, 200, {}));
    await Promise.all([allocation.start(), share.start()]);
    const parts = createGatewayParts(configOf(redis.url, allocation.url, share.url, env), log);
    const app = await createGatewayApp(parts);
    await app.listen(0, '127.0.0.1');
    return new GatewayRig(redis, client, allocation, share, parts, app, await app.getUrl());
  }

  async stop(): Promise<void> {
    await this.app.close();
    await Promise.all(this.consumers.map((consumer) => consumer.close(consumerCloseMaxMs)));
    await Promise.all([this.allocation.stop(), this.share.stop(), closeRedis(this.client)]);
    await this.redis.stop();
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { token, body, raw } = options;
    const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...options.headers };
    const text = raw ?? (body === undefined ? null : JSON.stringify(body));
    const signal = AbortSignal.timeout(options.timeoutMs ?? callMaxMs);
    const response = await fetch(`${this.url}${path}`, { method, headers, body: text, signal });
    const answer = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(answer) : answer };
  }

  async session(userId: string): Promise<string> {
    return (await this.call('POST', '/v1/sessions', { body: { userId } })).body.token;
  }

  shake(eventId: number, token: string, state?: string): Promise<Answer> {
    const headers = state === undefined ? {} : { 'x-shake-state': state };
    return this.call('POST', `/v1/events/${eventId}/shake`, { token, headers });
  }

  /** Shakes at the pace that the answers ask for until one of these results comes. */
  async shakeUntil(results: readonly string[], eventId: number, token: string, state?: string): Promise<Answer> {
    const isWanted = ({ body }: Answer): boolean => results.includes(body.result);
    return await until('the result', () => this.pacedShake(eventId, token, state), isWanted);
  }

  private async pacedShake(eventId: number, token: string, state?: string): Promise<Answer> {
    const answer = await this.shake(eventId, token, state);
    const { result, nextShakeMs } = answer.body;
    if (result === 'miss' || result === 'rest')
      await new Promise((resolve) => setTimeout(resolve, Math.min(nextShakeMs, shakePauseMaxMs)));
    return answer;
  }

  /** Puts events on the board and has the gateway read it. */
  async publish(...events: EventSnapshot[]): Promise<void> {
    await publishEvents(this.client, events);
    await this.parts.book.poll();
  }

  /** Puts blocks on the stock lists. */
  async stock(...blocks: StockedBlock[]): Promise<void> {
    const { runId } = await readStore(this.client);
    await pushBlocks(this.client, { expectedStamp: runId, blocks, listBlocksMax: stockListBlocksMax });
  }

  /** Settles the opens of these lanes by `settle`, in place of allocation. */
  consume(lanes: readonly number[], settle: (items: readonly OpenItem[]) => Promise<OpenOutcome[]>): void {
    for (const no of lanes) {
      const consumer = new LaneConsumer<OpenItem, OpenOutcome>({
        lane: openLane(no),
        redisUrl: this.redis.url,
        name: 'test',
        log,
        jobSchema: openJobSchema,
        settle,
        onMalformed: () => Promise.reject(new Error('a malformed job')),
      });
      consumer.start();
      this.consumers.push(consumer);
    }
  }
}

function configOf(redisUrl: string, allocationUrl: string, shareUrl: string, env: Record<string, string>) {
  return gatewayConfigSchema.parse({
    INTERNAL_TOKEN: 'an internal token for tests',
    REDIS_URL: redisUrl,
    GATEWAY_ID: 'gateway-test',
    TICKET_KEYS: `1:${testTicketKey.toString('base64url')}`,
    LUCK_SECRET: 'a luck secret for tests, 32 characters',
    SESSION_SECRET: 'a session secret for tests',
    GUEST_SESSIONS: 'on',
    ALLOCATION_URL: allocationUrl,
    SHARE_URL: shareUrl,
    // clients and gateway share one event loop here: a test that sends as fast as it can would be taken for a flood
    LOCAL_ADMISSION: 'off',
    ...env,
  });
}

const untilMaxMs = 10_000;
const untilStepMs = 10;

/** Asks until the answer is as wanted. @throws Error with the last answer when that takes too long. */
export async function until<T>(what: string, ask: () => Promise<T> | T, isWanted: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + untilMaxMs;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`${what} did not come; last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, untilStepMs));
  }
}
