import { Agent } from 'undici';
import type { FetchAnswer, FetchInit, FetchLike } from '#libs/client';
import { routeOf } from '../../rehearse/transport.ts';

/** Sockets, shared by all phones; shakes have their own, so that they do not wait for opens that wait for money. */
const connectionsMax = { shake: 256, other: 1024 };
const connectTimeoutMs = 3000;

/** One request as it went out, and what came of it; monotonic milliseconds. */
export interface SentRequest {
  readonly route: string;
  readonly sentAtMs: number;
  /** Undefined: no answer came. */
  status?: number;
  tookMs?: number;
}

/** `fetch` for the SDK over pools of sockets, that writes down each request. */
export class RecordingTransport {
  readonly sent: SentRequest[] = [];
  private readonly shakeAgent = agentOf(connectionsMax.shake);
  private readonly otherAgent = agentOf(connectionsMax.other);

  readonly fetch: FetchLike = async (url, init) => this.send(url, init);

  async close(): Promise<void> {
    await Promise.all([this.shakeAgent.destroy(), this.otherAgent.destroy()]);
  }

  private async send(url: string, init: FetchInit): Promise<FetchAnswer> {
    const { origin, pathname, search } = new URL(url);
    const entry: SentRequest = { route: routeOf(init.method, pathname), sentAtMs: performance.now() };
    this.sent.push(entry);
    const agent = entry.route === 'shake' ? this.shakeAgent : this.otherAgent;
    const { statusCode, headers, body } = await agent.request({
      origin,
      path: pathname + search,
      method: init.method as 'GET' | 'POST' | 'PUT',
      headers: init.headers,
      body: init.body ?? null,
      signal: init.signal,
    });
    const text = await body.text();
    entry.status = statusCode;
    entry.tookMs = performance.now() - entry.sentAtMs;
    const textOf = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value) ?? null;
    return { status: statusCode, headers: { get: (name) => textOf(headers[name]) }, text: async () => text };
  }
}

function agentOf(connections: number): Agent {
  return new Agent({ connections, pipelining: 1, connect: { timeout: connectTimeoutMs } });
}
