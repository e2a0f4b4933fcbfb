// Readers of a group get the same messages; a slow, dead or surplus reader costs the process nothing that grows.
import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { EventStreams, type EventStreamsOptions } from './event-streams.ts';

/** Asks until it holds, for as long as a busy machine may need. */
const eventually = <T>(ask: () => T) => expect.poll(ask, { timeout: 15_000, interval: 1 });

const opened: { streams: EventStreams; server: Server }[] = [];
afterEach(() => {
  for (const { streams, server } of opened.splice(0)) {
    streams.close();
    server.closeAllConnections();
    server.close();
  }
});

/** A server whose path names the group. */
async function serve(options: Partial<EventStreamsOptions> = {}) {
  const streams = new EventStreams({ connectionsMax: 10, bufferBytesMax: 64 * 1024, heartbeatMs: 60_000, ...options });
  const server = createServer((request, response) => {
    try {
      streams.open({ raw: response, hijack: () => undefined }, request.url!.slice(1));
    } catch (error) {
      response.writeHead(503).end((error as { code?: string }).code);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({ streams, server });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { streams, url };
}

const connect = (url: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => get(url, resolve).on('error', reject));

/** Collects what a reader is told; never read when `isSlow`. */
async function read(url: string) {
  const response = await connect(url);
  const reader = { text: '', isEnded: false, response };
  response.setEncoding('utf8').on('data', (text: string) => {
    reader.text += text;
  });
  response
    .on('error', () => undefined)
    .on('close', () => {
      reader.isEnded = true;
    });
  return reader;
}

const messagesOf = (text: string): unknown[] =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => JSON.parse(block.slice('data: '.length)));

describe('event streams', () => {
  it('tell every reader of a group the same, in order, and others nothing', async () => {
    const { streams, url } = await serve();
    const [first, second, other] = [await read(`${url}/a`), await read(`${url}/a`), await read(`${url}/b`)];
    for (const n of [1, 2, 3]) streams.send('a', { n });
    streams.send('b', { last: true });
    await eventually(() => messagesOf(other.text)).toEqual([{ last: true }]);
    await eventually(() => messagesOf(first.text)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    await eventually(() => messagesOf(second.text)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(first.response.headers['content-type']).toContain('text/event-stream');
  });

  it('keep line feeds of a message inside it', async () => {
    const { streams, url } = await serve();
    const reader = await read(`${url}/a`);
    streams.send('a', { text: 'one\n\ndata: two' });
    await eventually(() => messagesOf(reader.text)).toEqual([{ text: 'one\n\ndata: two' }]);
  });

  it('drop a reader that does not read, and keep the others', async () => {
    const { streams, url } = await serve({ bufferBytesMax: 10_000 });
    const reader = await read(`${url}/a`);
    const slow = await connect(`${url}/a`);
    slow.on('error', () => undefined).pause();
    expect(streams.size('a')).toBe(2);
    const filler = 'x'.repeat(100_000);
    for (let sent = 1; streams.size('a') > 1; sent++) {
      streams.send('a', { no: sent, filler });
      // the one that reads is given the time to: it must not be dropped
      await eventually(() => messagesOf(reader.text).length).toBe(sent);
    }
    expect(reader.isEnded).toBe(false);
  });

  it('refuse one reader too many, and let the next one in when one has gone', async () => {
    const { streams, url } = await serve({ connectionsMax: 1 });
    const first = await read(`${url}/a`);
    expect((await connect(url)).statusCode).toBe(503);
    first.response.destroy();
    await eventually(() => streams.size()).toBe(0);
    expect((await read(`${url}/a`)).response.statusCode).toBe(200);
  });

  it('have a head that can be asked for alone, and costs no place', async () => {
    const { streams, url } = await serve({ connectionsMax: 1 });
    const head = await fetch(`${url}/a`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      '',
    ]);
    expect(streams.size()).toBe(0);
  });

  it('send heartbeats that are no messages', async () => {
    const { url } = await serve({ heartbeatMs: 5 });
    const reader = await read(`${url}/a`);
    await eventually(() => reader.text.split('\n\n').length).toBeGreaterThan(5);
    expect(messagesOf(reader.text)).toEqual([]);
  });

  it('end all readers and go on, or end for good', async () => {
    const { streams, url } = await serve();
    const first = await read(`${url}/a`);
    streams.endAll();
    await eventually(() => first.isEnded).toBe(true);
    const second = await read(`${url}/a`);
    streams.close();
    await eventually(() => second.isEnded).toBe(true);
    expect((await connect(url)).statusCode).toBe(503);
    expect(streams.size()).toBe(0);
  });
});
