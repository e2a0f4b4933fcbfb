// What the driver makes of a server that answers late, refuses, says pending and cuts a connection: real sockets, one server.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { Ticket } from '../opens/workload.ts';
import { Connections } from './connections.ts';
import { OpenTraffic } from './open-traffic.ts';

type Script = (body: { ticket: string; receipt?: string }, response: ServerResponse) => void;

let server: Server | undefined;
let connections: Connections | undefined;
afterEach(() => {
  connections?.end();
  server?.close();
  server?.closeAllConnections();
});

const tickets: Ticket[] = [0, 1, 2].map((no) => ({ user: no, packetId: BigInt(no + 1), sponsorNo: 0, epoch: 1 }));
const credited = (ticket: string) => ({ status: 'credited', packetId: String(Number(ticket) + 1), amountFen: 5 });

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-length': text.length }).end(text);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function trafficAt(script: Script, opens: readonly number[], perSecond?: number): Promise<OpenTraffic> {
  server = createServer((request, response) => {
    void bodyOf(request).then((text) => script(JSON.parse(text) as { ticket: string; receipt?: string }, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const requests = {
    of: (ticket: number, receipt?: string) => {
      const body = JSON.stringify({ ticket: String(ticket), ...(receipt && { receipt }) });
      return `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    },
  };
  const made: Connections = new Connections({
    port,
    count: 2,
    onAnswer: (connection, bytes, bodyAt) => traffic.answered(connection, bytes, bodyAt),
    onLost: (connection) => traffic.lost(connection),
  });
  connections = made;
  const workload = { tickets, opens: Int32Array.from(opens) };
  const traffic = new OpenTraffic({ workload, requests, connections: made, perSecond });
  await made.start();
  traffic.begin();
  traffic.measure();
  return traffic;
}

/** Until every one of these opens has an outcome. */
async function settled(traffic: OpenTraffic, opens: number): Promise<void> {
  const isDone = (): boolean => {
    traffic.pump();
    return traffic.isSettled && traffic.outcomes().length >= opens;
  };
  await vi.waitUntil(isDone, { timeout: 20_000, interval: 1 });
  traffic.end();
}

test('repeats get their outcome too, and a packet counts as credited once', async () => {
  const traffic = await trafficAt(({ ticket }, response) => send(response, 200, credited(ticket)), [0, 1, 0, 2, 0]);
  await settled(traffic, 5);
  const outcomes = traffic.outcomes();
  expect(outcomes.map(({ ticket }) => ticket).sort()).toEqual([0, 0, 0, 1, 2]);
  const result = traffic.result(outcomes);
  expect(result).toMatchObject({ sent: 5, credited: 3, unsettled: 0, answers: { credited: 5 } });
});

test('pending is pursued with its receipt, a refusal and a cut connection with the same open, to one outcome each', async () => {
  const seen = new Map<string, number>();
  const script: Script = ({ ticket, receipt }, response) => {
    const before = seen.get(ticket) ?? 0;
    seen.set(ticket, before + 1);
    if (ticket === '0' && receipt !== 'r0')
      return send(response, 202, { status: 'pending', receipt: 'r0', pollAfterMs: 1 });
    if (ticket === '1' && before === 0) return send(response, 503, { code: 'overloaded', retryAfterMs: 1 });
    if (ticket === '2' && before === 0) return void response.socket?.destroy();
    return send(response, 200, credited(ticket));
  };
  const traffic = await trafficAt(script, [0, 1, 2], 10_000);
  await settled(traffic, 3);
  const result = traffic.result(traffic.outcomes());
  expect(result).toMatchObject({ sent: 3, credited: 3, lost: 1, unsettled: 0 });
  expect(result.answers).toEqual({ credited: 3, pending: 1, overloaded: 1 });
});

test('a denial is an outcome, and counts as nothing credited', async () => {
  const traffic = await trafficAt((_body, response) => send(response, 409, { code: 'limit_reached' }), [1]);
  await settled(traffic, 1);
  expect(traffic.outcomes()).toEqual([{ ticket: 1, outcome: 'limit_reached', amountFen: 0 }]);
  expect(traffic.result(traffic.outcomes())).toMatchObject({ credited: 0, answers: { limit_reached: 1 } });
});
