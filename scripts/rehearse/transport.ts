import type { FetchAnswer, FetchInit, FetchLike } from '#libs/client';
import { agentOf, fetchThrough } from './agent-fetch.ts';
import type { Meters } from './meters.ts';

/** Sockets, shared by all users as behind a proxy. Shakes have their own: they must not wait for opens that wait for money. */
const shakeConnectionsMax = 256;
const moneyConnectionsMax = 1024;

export interface Transport {
  readonly fetch: FetchLike;
  close(): Promise<void>;
}

/** `fetch` over one pool of sockets, counting every answer by route and status, and timing shakes. */
export function createTransport(meters: Meters): Transport {
  const shakeAgent = agentOf(shakeConnectionsMax);
  const moneyAgent = agentOf(moneyConnectionsMax);
  const send = async (url: string, init: FetchInit): Promise<FetchAnswer> => {
    const route = routeOf(init.method, new URL(url).pathname);
    const startedAtMs = performance.now();
    try {
      const answer = await fetchThrough(route === 'shake' ? shakeAgent : moneyAgent, url, init);
      meters.counters.add(`http.${route}.${answer.status}`);
      if (route === 'shake') meters.latencies.shake.record(performance.now() - startedAtMs);
      return answer;
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
