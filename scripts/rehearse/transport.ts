import { Agent } from 'undici';
import type { FetchAnswer, FetchInit, FetchLike } from '#libs/client';
import type { Meters } from './meters.ts';

/** Sockets, shared by all users as behind a proxy. Shakes have their own: they must not wait for opens that wait for money. */
const shakeConnectionsMax = 256;
const moneyConnectionsMax = 1024;
const connectTimeoutMs = 3000;

export interface Transport {
  readonly fetch: FetchLike;
  close(): Promise<void>;
}

/** `fetch` over one pool of sockets, counting every answer by route and status, and timing shakes. */
export function createTransport(meters: Meters): Transport {
  const shakeAgent = createAgent(shakeConnectionsMax);
  const moneyAgent = createAgent(moneyConnectionsMax);
  const send = async (url: string, init: FetchInit): Promise<FetchAnswer> => {
    const { origin, pathname, search } = new URL(url);
    const route = routeOf(init.method, pathname);
    const startedAtMs = performance.now();
    try {
      const { statusCode, headers, body } = await (route === 'shake' ? shakeAgent : moneyAgent).request({
        origin,
        path: pathname + search,
        method: init.method as 'GET' | 'POST' | 'PUT',
        headers: init.headers,
        body: init.body ?? null,
        signal: init.signal,
      });
      const text = await body.text();
      meters.counters.add(`http.${route}.${statusCode}`);
      if (route === 'shake') meters.latencies.shake.record(performance.now() - startedAtMs);
      return { status: statusCode, headers: { get: (name) => textOf(headers[name]) }, text: async () => text };
    } catch (error) {
      meters.counters.add(`http.${route}.lost`);
      throw error;
    }
  };
  const close = async (): Promise<void> => {
    await Promise.all([shakeAgent.destroy(), moneyAgent.destroy()]);
  };
  return { fetch: send, close };
}

function createAgent(connections: number): Agent {
  return new Agent({ connections, pipelining: 1, connect: { timeout: connectTimeoutMs } });
}

function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}

/** Short name of a public route for the counters. */
export function routeOf(method: string, path: string): string {
  if (path.endsWith('/shake')) return 'shake';
  if (path === '/v1/packets/open') return 'open';
  if (path.endsWith('/grab')) return 'grab';
  if (path.endsWith('/share')) return 'share';
  if (path.startsWith('/v1/shares/')) return 'share page';
  if (path.startsWith('/v1/packets/')) return 'status';
  if (path.startsWith('/v1/me/')) return 'me';
  if (path === '/v1/sessions') return 'session';
  return path.startsWith('/v1/events') ? 'event' : `${method} ${path}`;
}
