/** The operations service on real PostgreSQL and Redis, with a stand-in at allocation's address: for its tests. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { opsConfigSchema, problemOf } from '#libs/contracts';
import { type RedisClient, writeFigures } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { createOpsApp } from './ops-app.ts';
import { createOpsParts, type OpsParts } from './ops-parts.ts';

/** For `expect`: asks until it holds, for as long as a busy machine may need. */
export const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 20_000, interval: 20 });

export const silentLog = createLogger('test', 'silent');
export const operatorToken = 'operator-token-of-a-test';
export const viewerToken = 'viewer-token-of-a-test';
const internalToken = 'internal-token-of-a-test';

let started = 0;

export interface Call {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted field by field
  readonly body: any;
}

/** The operations service as a process has it, on a free port. */
export class OpsService {
  private constructor(
    readonly parts: OpsParts,
    readonly url: string,
    /** `METHOD /path` of every route that was registered. */
    readonly routes: ReadonlySet<string>,
    readonly close: () => Promise<void>,
  ) {}

  static async start(env: Record<string, string>): Promise<OpsService> {
    const tokens = { INTERNAL_TOKEN: internalToken, OPS_TOKEN: operatorToken, OPS_VIEWER_TOKEN: viewerToken };
    // several in this process are several processes; on a busy machine the tier is no part of what a test is about, unless it says so
    started += 1;
    const settings = { OPS_ID: `ops-test-${started}`, TIER_CONTROL: 'off' };
    const config = opsConfigSchema.parse({ ...tokens, ...settings, ...env });
    const parts = createOpsParts(config, silentLog);
    const app = await createOpsApp(parts, config, silentLog);
    const routes = new Set<string>();
    const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const name of [method].flat()) routes.add(`${name} ${url}`);
    });
    await app.listen(0, '127.0.0.1');
    return new OpsService(parts, await app.getUrl(), routes, () => app.close());
  }

  async call(
    method: string,
    path: string,
    body?: unknown,
    token: string | undefined = operatorToken,
    others: Record<string, string> = {},
  ): Promise<Call> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: token === '' ? others : { ...others, authorization: `Bearer ${token}` },
      ...(body === undefined || method === 'GET' ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get(path: string, token?: string): Promise<Call> {
    return this.call('GET', `/ops/v1${path}`, undefined, token);
  }
}

export interface Command {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly isAuthorized: boolean;
}

/**
 * Speaks allocation's internal contract with canned answers: what passes through operations is proved here, the acts themselves
 * in the end-to-end tests.
 */
export class AllocationStandIn {
  readonly commands: Command[] = [];
  /** The next answer; 200 and an empty object unless set. */
  answer: { status: number; body: unknown } = { status: 200, body: {} };

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(): Promise<AllocationStandIn> {
    const server = createServer((request, response) => {
      void read(request).then((text) => {
        const isAuthorized = request.headers.authorization === `Bearer ${internalToken}`;
        const body: unknown = text === '' ? undefined : JSON.parse(text);
        standIn.commands.push({ method: request.method!, path: request.url!, body, isAuthorized });
        response.writeHead(standIn.answer.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(standIn.answer.body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const standIn = new AllocationStandIn(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return standIn;
  }

  refuse(...problem: Parameters<typeof problemOf>): void {
    const body = problemOf(...problem);
    this.answer = { status: body.status, body };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}

const samplePauseMs = 250;

/** Gateways as operations sees them: a sample of each, again and again, as a test sets it. */
export class SampledGateways {
  private readonly timer: NodeJS.Timeout;
  private sample: Record<string, unknown> = {};

  constructor(private readonly redis: RedisClient) {
    this.set({});
    this.timer = setInterval(() => this.write(), samplePauseMs);
  }

  /** What every sample says from now on. */
  set(sample: { readonly loopDelayMs?: number; readonly isOverloaded?: boolean }): void {
    const { loopDelayMs = 0, isOverloaded = false } = sample;
    this.sample = { loopDelayMs, opens: {}, pace: { isOverloaded } };
    this.write();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private write(): void {
    const sample = { ...this.sample, atMs: Date.now() };
    // a store that is away gets the next one
    writeFigures(this.redis, { id: 'gateway-0', sample, sampleTtlMs: 5000 }).catch(() => undefined);
  }
}
