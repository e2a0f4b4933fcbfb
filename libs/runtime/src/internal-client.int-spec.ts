import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { InternalClient, type InternalClientOptions } from './internal-client.ts';
import type { ProblemError } from './problem.ts';

type Script = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let script: Script;
let asked: string[];
let connections = 0;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    script(request, response);
  });
  server.on('connection', (socket) => {
    connections += 1;
    socket.on('close', () => {
      connections -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  asked = [];
  script = well;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const well: Script = (_request, response) => void response.end('{"is":"well"}');
const silent: Script = () => undefined;
/** Breaks the connection instead of answering. */
const broken: Script = (request) => void request.socket.destroy();
const wait = { timeout: 20_000, interval: 5 };

function clientOf(options: Partial<InternalClientOptions> = {}): InternalClient {
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const common = { baseUrl, token: 't', dependency: 'other', connectionsMax: 4, callsMax: 1000, timeoutMs: 20_000 };
  return new InternalClient({ ...common, ...options });
}

const get = (client: InternalClient, path = '/') =>
  client.json({ method: 'GET', path }).then(
    () => 'ok',
    (error: ProblemError) => error.code,
  );
const many = (client: InternalClient, count: number) => Promise.all(Array.from({ length: count }, () => get(client)));

// A service that hangs: what it can hold is bounded in sockets and places, the rest is refused; once the first have waited in vain nobody
// waits any more and it is left alone; when it is well again all come back by stages.
it('bounds what a silent service holds, stops asking it, and comes back by itself', async () => {
  const client = clientOf({ callsMax: 40, timeoutMs: 1000 });
  script = silent;
  const calls = Array.from({ length: 100 }, () => get(client));
  expect(client.state.callsUnderWay).toBe(40);
  await vi.waitUntil(() => asked.length > 0, wait);
  expect(connections).toBeLessThanOrEqual(4);
  const codes = await Promise.all(calls);
  expect(codes.filter((code) => code === 'overloaded')).toHaveLength(60);
  expect(codes.filter((code) => code === 'dependency_unavailable')).toHaveLength(40);
  expect(client.state).toMatchObject({ callsUnderWay: 0, breaker: 'open', refusedFull: 60 });

  const before = asked.length;
  const refused = await many(client, 500);
  expect(new Set(refused)).toEqual(new Set(['dependency_unavailable']));
  // a machine that stood still meanwhile may have come to a probe: one, which hangs
  expect(asked.length - before).toBeLessThanOrEqual(1);
  expect(client.state.refusedOpen).toBeGreaterThanOrEqual(499);

  script = well;
  const stateAfterCall = async () => {
    await get(client);
    return client.state.breaker;
  };
  await expect.poll(stateAfterCall, wait).toBe('closed');
  await client.close();
});

it('stops asking a service that breaks, but goes on with one that refuses by itself', async () => {
  const busy = clientOf();
  script = (_request, response) => void response.writeHead(503).end('{"code":"overloaded","detail":"busy"}');
  expect(new Set(await many(busy, 100))).toEqual(new Set(['overloaded']));
  expect(busy.state).toMatchObject({ breaker: 'closed', refusedOpen: 0 });
  await busy.close();
  const client = clientOf();
  script = (_request, response) => void response.writeHead(500).end('{}');
  await many(client, 100);
  expect(client.state.breaker).toBe('open');
  await client.close();
});

// What a restarted service costs: connections that break under a read are made good by one repetition, within a budget.
it('repeats a read once whose connection was lost, and no command', async () => {
  const client = clientOf();
  let times = 0;
  script = (request, response) => (++times === 1 ? broken(request, response) : well(request, response));
  expect(await get(client, '/read')).toBe('ok');
  expect(asked).toEqual(['GET /read', 'GET /read']);
  expect(client.state.repeats).toBe(1);

  [asked, times] = [[], 0];
  const command = { method: 'POST', path: '/command', body: {} } as const;
  await expect(client.json(command)).rejects.toMatchObject({ code: 'dependency_unavailable' });
  expect(asked).toEqual(['POST /command']);
  [asked, times] = [[], 0];
  expect(await client.json({ ...command, isRepeatable: true })).toEqual({ is: 'well' });
  expect(asked).toEqual(['POST /command', 'POST /command']);
  await client.close();
});

it('asks a service that loses every connection little more often than it is called', async () => {
  const client = clientOf({ connectionsMax: 1, breaker: { callsWatched: 1000, failuresMax: 1000 } });
  script = broken;
  for (let i = 0; i < 200; i++) expect(await get(client)).toBe('dependency_unavailable');
  expect(client.state.repeats).toBeGreaterThan(0);
  expect(asked.length).toBeLessThanOrEqual(200 + 10 + 200 * 0.1);
  await client.close();
});

it('breaks off an answer that is too long, whole or as it comes', async () => {
  const client = clientOf({ answerBytesMax: 1000 });
  script = (_request, response) => void response.end(JSON.stringify('x'.repeat(2000)));
  expect(await get(client)).toBe('dependency_unavailable');
  script = (_request, response) => {
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(200), more);
    };
    more();
  };
  expect(await get(client)).toBe('dependency_unavailable');
  await expect.poll(() => connections, wait).toBe(0);
  await client.close();
});

it('gives a stream its place until it is closed, and counts one that never begins as a failure', async () => {
  const client = clientOf({ callsMax: 1, timeoutMs: 300, breaker: { failuresMax: 1 } });
  script = (_request, response) => void response.write('data: 1\n\n');
  const stream = await client.stream({ path: '/feed' }, 20_000);
  expect(await get(client)).toBe('overloaded');
  stream.destroy();
  await vi.waitUntil(() => client.state.callsUnderWay === 0, wait);
  script = silent;
  await expect(client.stream({ path: '/feed' }, 20_000)).rejects.toMatchObject({ code: 'dependency_unavailable' });
  expect(client.state).toMatchObject({ callsUnderWay: 0, breaker: 'open' });
  await client.close();
});
