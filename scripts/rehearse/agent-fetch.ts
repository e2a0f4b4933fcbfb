import { Agent } from 'undici';
import type { FetchAnswer, FetchInit } from '#libs/client';

const connectTimeoutMs = 3000;

/** Sockets that many users share, as behind a proxy. */
export function agentOf(connections: number): Agent {
  return new Agent({ connections, pipelining: 1, connect: { timeout: connectTimeoutMs } });
}

/** One request of the SDK over the sockets of an agent, read to its end. @throws the agent's error when it is lost. */
export async function fetchThrough(agent: Agent, url: string, init: FetchInit): Promise<FetchAnswer> {
  const { origin, pathname, search } = new URL(url);
  const { statusCode, headers, body } = await agent.request({
    origin,
    path: pathname + search,
    method: init.method as 'GET' | 'POST' | 'PUT',
    headers: init.headers,
    body: init.body ?? null,
    signal: init.signal,
  });
  const text = await body.text();
  return { status: statusCode, headers: { get: (name) => textOf(headers[name]) }, text: async () => text };
}

function textOf(header: string | string[] | undefined): string | null {
  return (Array.isArray(header) ? header[0] : header) ?? null;
}
