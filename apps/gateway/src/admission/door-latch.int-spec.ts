import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../testing/gateway-rig.ts';
import { DoorLatch } from './door-latch.ts';

const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

describe('the latch of the door', () => {
  let server: Server;
  let port: number;
  let latch: DoorLatch;
  let connections = 0;
  let nowMs = 0;
  const clients: Socket[] = [];

  beforeEach(async () => {
    connections = 0;
    nowMs = 0;
    server = createServer((_request, response) => response.end('answer'));
    latch = new DoorLatch(
      server,
      () => connections,
      undefined,
      () => nowMs,
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    latch.remainShut();
    for (const client of clients.splice(0)) client.destroy();
    server.close();
    server.closeAllConnections();
  });

  /** What becomes of a connection. */
  async function come(): Promise<{ client: Socket; how: string }> {
    const client = connect(port, '127.0.0.1');
    clients.push(client);
    const how = await new Promise<string>((resolve) => {
      client.once('connect', () => resolve('connected'));
      client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
    });
    return { client, how };
  }

  async function ask(client: Socket): Promise<string> {
    client.write(request);
    const [answer] = await once(client, 'data');
    return String(answer);
  }

  // Proves that who comes when there are enough is refused by the kernel, that who is there does not notice, and that it ends.
  it('shuts out those who come, and nobody who is there', async () => {
    const { client } = await come();
    expect(await ask(client)).toContain('answer');
    connections = 10;
    latch.limit(10);
    expect(latch.shutCount).toBe(1);
    expect((await come()).how).toBe('ECONNREFUSED');
    expect(await ask(client)).toContain('answer');
    nowMs = 999;
    latch.limit(20);
    expect((await come()).how).toBe('ECONNREFUSED');
    nowMs = 1000;
    latch.limit(11);
    expect((await come()).how).toBe('ECONNREFUSED');
    latch.limit(20);
    expect((await come()).how).toBe('connected');
    expect(await ask(client)).toContain('answer');
    latch.limit(Number.POSITIVE_INFINITY);
    expect(await ask((await come()).client)).toContain('answer');
    expect(latch.shutCount).toBe(1);
  });

  it('tries again when somebody else has the address', async () => {
    latch.limit(0);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    nowMs = 1000;
    latch.limit(100);
    await until(
      'the failure',
      () => server.listening,
      (isListening) => !isListening,
    );
    other.close();
    await once(other, 'close');
    await until(
      'the door',
      () => {
        latch.limit(100);
        return server.listening;
      },
      (isListening) => isListening,
    );
    expect((await come()).how).toBe('connected');
  });

  it('does nothing before anybody listens, and remains shut at the end', async () => {
    const silent = new DoorLatch(createServer(), () => 5);
    silent.limit(1);
    expect(silent.shutCount).toBe(0);
    latch.limit(0);
    latch.remainShut();
    latch.limit(100);
    expect(server.listening).toBe(false);
  });
});
