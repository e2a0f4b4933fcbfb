import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayMetrics } from './process/gateway-metrics.ts';
import { GatewayRig, until } from './testing/gateway-rig.ts';
import { RawClient, shakePath } from './testing/raw-client.ts';
import { testEvent } from './testing/test-event.ts';

describe('the front door', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start();
    await rig.publish(testEvent());
  });
  afterAll(() => rig.stop());

  it('answers a shake in one segment, on a connection that stays, with all that node:http would say', async () => {
    const client = await RawClient.to(rig);
    const token = await rig.session('segmented');
    client.shake(token);
    await client.answers(1);
    expect(client.segments).toBe(1);
    const [head] = client.received.split('\r\n\r\n');
    const names = head!
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]!.toLowerCase());
    expect(names.sort()).toEqual([
      'cache-control',
      'connection',
      'content-length',
      'content-type',
      'date',
      'keep-alive',
    ]);
    expect(head).toMatch(/connection: keep-alive/i);
    expect(head).toMatch(/keep-alive: timeout=65/i);
    client.shake(token);
    await client.answers(2);
    client.socket.destroy();
  });

  it('answers pipelined requests in their order, those before the router and those of the router', async () => {
    const client = await RawClient.to(rig);
    const token = await rig.session('pipelined');
    const auth = `authorization: Bearer ${token}`;
    const shake = `POST ${shakePath} HTTP/1.1\r\nhost: a\r\n${auth}\r\n\r\n`;
    const unknown = `POST /v1/events/77/shake HTTP/1.1\r\nhost: a\r\n${auth}\r\n\r\n`;
    const router = 'GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n';
    client.socket.write(`${shake}${unknown}${router}${shake}${unknown}`);
    const bodies = await client.answers(5);
    const told = bodies.map(({ code }) => code ?? 'shaken');
    expect(told).toEqual(['shaken', 'event_unknown', 'not_found', 'shaken', 'event_unknown']);
    client.socket.destroy();
  });

  it('ends the connection when the client asks for it, and says so', async () => {
    const client = await RawClient.to(rig);
    client.shake(await rig.session('closing'), ['connection: close']);
    await client.closed();
    expect(client.received).toMatch(/connection: close/i);
    expect(client.received).not.toMatch(/keep-alive/i);
    expect(client.bodies).toHaveLength(1);
  });

  it('lets pages of other origins read the answer to a shake, and its refusal', async () => {
    const origin = { origin: 'https://host.example' };
    for (const token of [await rig.session('page'), 'forged']) {
      const { headers } = await rig.call('POST', shakePath, { token, headers: origin });
      expect(headers.get('access-control-allow-origin')).toBe('*');
      expect(headers.get('access-control-expose-headers')).toBe('retry-after');
    }
  });

  it('refuses headers that are too long, and cuts requests that come too slowly', async () => {
    const long = await RawClient.to(rig);
    long.shake('x'.repeat(20_000));
    await long.closed();
    expect(long.received).toMatch(/^HTTP\/1.1 400/);
    const slow = await RawClient.to(rig);
    slow.socket.write(`POST ${shakePath} HTTP/1.1\r\nhost: a\r\n`);
    await slow.closed();
    // nothing may be wrong with it: see refuseMalformed in libs/runtime
    expect(slow.received).toBe('');
  });

  it('knows its connections, and shows them to Prometheus', async () => {
    const before = rig.parts.doorkeeper.visitors.size;
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.to(rig)));
    await until(
      'three more',
      () => rig.parts.doorkeeper.visitors.size,
      (size) => size >= before + 3,
    );
    const text = await gatewayMetrics(rig.parts).metrics();
    expect(text).toMatch(/hongbao_connections\{service="gateway"\} [1-9]/);
    expect(text).toContain('hongbao_refused_by_address_total{what="verifications",service="gateway"} 0');
    expect(text).toContain('hongbao_still_connections_closed_total{service="gateway"} 0');
    for (const { socket } of clients) socket.destroy();
    await until(
      'three less',
      () => rig.parts.doorkeeper.visitors.size,
      (size) => size <= before,
    );
  });

  it('closes a connection that lies still, and none that shakes', async () => {
    const [still, busy] = [await RawClient.to(rig), await RawClient.to(rig)];
    const token = await rig.session('busy');
    await until(
      'both',
      () => rig.parts.doorkeeper.visitors.size,
      (size) => size >= 2,
    );
    const closedBefore = rig.parts.doorkeeper.still.closed;
    for (let shakes = 1; !still.isClosed; shakes++) {
      busy.shake(token);
      await busy.answers(shakes);
      // as if five seconds passed
      for (let part = 0; part < 5; part++) rig.parts.doorkeeper.still.sweep();
    }
    expect(busy.isClosed).toBe(false);
    expect(rig.parts.doorkeeper.still.closed).toBeGreaterThan(closedBefore);
    busy.socket.destroy();
  });
});

describe('the limits of one address', () => {
  it('refuse connections beyond their number, and let the next in when one ends', async () => {
    const rig = await GatewayRig.start({ CONNECTIONS_PER_ADDRESS_MAX: '2' });
    const [first, second, third] = [await RawClient.to(rig), await RawClient.to(rig), await RawClient.to(rig)];
    await third.closed();
    expect([first.isClosed, second.isClosed, rig.parts.doorkeeper.refused.connections]).toEqual([false, false, 1]);
    first.socket.destroy();
    await until(
      'room',
      () => rig.parts.doorkeeper.visitors.size,
      (size) => size === 1,
    );
    const fourth = await RawClient.to(rig);
    fourth.socket.write('GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await fourth.closed();
    expect(fourth.received).toMatch(/^HTTP\/1.1 200/);
    second.socket.destroy();
    await rig.stop();
  });

  it('give new sessions rest or 503 with Retry-After beyond their number, and leave the known ones alone', async () => {
    const rig = await GatewayRig.start({
      NEW_SESSIONS_PER_ADDRESS_PER_SECOND: '1',
      GUEST_SESSIONS_PER_ADDRESS_PER_SECOND: '100',
    });
    await rig.publish(testEvent());
    const known = await rig.session('known');
    expect((await rig.shake(1, known)).body.result).toBe('miss');
    const others = await Promise.all(Array.from({ length: 40 }, (_, i) => rig.session(`other-${i}`)));
    const shakes = await Promise.all(others.slice(0, 30).map((token) => rig.shake(1, token)));
    const rests = shakes.filter(({ body }) => body.result === 'rest');
    expect(rests.length).toBeGreaterThan(10);
    expect(rests.every(({ headers }) => headers.get('connection') === 'close')).toBe(true);
    const reads = await Promise.all(others.slice(30).map((token) => rig.call('GET', '/v1/me/wallet', { token })));
    const refused = reads.filter(({ body }) => body.code === 'overloaded');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ status, headers }) => status === 503 && Number(headers.get('retry-after')) > 0)).toBe(true);
    expect((await rig.shake(1, known)).body.result).not.toBe('rest');
    await rig.stop();
  });

  it('stop verifying when too many failed, at shakes and elsewhere, but not for who is known', async () => {
    const rig = await GatewayRig.start({ FAILED_SESSIONS_PER_ADDRESS_PER_SECOND: '1' });
    await rig.publish(testEvent());
    const known = await rig.session('known');
    await rig.shake(1, known);
    const told = new Set<string>();
    for (let i = 0; i < 8; i++) {
      const shake = (await rig.shake(1, `forged-${i}`)).body;
      told.add(shake.code ?? shake.result);
      told.add((await rig.call('GET', '/v1/me/wallet', { token: `forged-too-${i}` })).body.code);
    }
    expect([...told].sort()).toEqual(['overloaded', 'rest', 'unauthenticated']);
    expect((await rig.shake(1, 'forged-again')).body.result).toBe('rest');
    expect((await rig.shake(1, known)).body.result).toBe('miss');
    await rig.stop();
  });

  it('bound the guests that are made', async () => {
    const rig = await GatewayRig.start({ GUEST_SESSIONS_PER_ADDRESS_PER_SECOND: '1' });
    const made = await Promise.all(Array.from({ length: 20 }, () => rig.call('POST', '/v1/sessions')));
    const statuses = made.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(10);
    const refused = made.find(({ status }) => status === 503)!;
    expect([refused.body.code, Number(refused.headers.get('retry-after')) > 0]).toEqual(['overloaded', true]);
    await rig.stop();
  });

  it("are the client's behind a trusted proxy, whose own connections are as many as it likes", async () => {
    const rig = await GatewayRig.start({
      TRUSTED_PROXIES: '127.0.0.0/8,::1',
      CONNECTIONS_PER_ADDRESS_MAX: '1',
      GUEST_SESSIONS_PER_ADDRESS_PER_SECOND: '1',
    });
    const guest = (client: string) => rig.call('POST', '/v1/sessions', { headers: { 'x-forwarded-for': client } });
    const made = await Promise.all(Array.from({ length: 20 }, (_, i) => guest(`1.1.1.${i}, 203.0.113.9`)));
    expect(made.filter(({ status }) => status === 503).length).toBeGreaterThan(0);
    expect((await guest('203.0.113.8')).status).toBe(201);
    expect(rig.parts.doorkeeper.refused.connections).toBe(0);
    await rig.stop();
  });

  it('close a connection on which early shakes of any sessions pile up, after its answers', async () => {
    const rig = await GatewayRig.start();
    await rig.publish(testEvent({ shakeIntervalMs: 600_000 }));
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, i) => rig.session(`in-turn-${i}`)));
    const client = await RawClient.to(rig);
    for (let round = 0; round < 15 && !client.isClosed; round++) for (const token of tokens) client.shake(token);
    await client.closed();
    const results = client.bodies.map(({ result }) => result);
    // more came than are read here: what is sent to a closed connection takes answers along that were on their way
    expect(results.length).toBeGreaterThan(10);
    expect(results.length).toBeLessThan(150);
    expect(rig.parts.shakeCounters.closedEarly).toBeGreaterThan(0);
    await rig.stop();
  });
});

describe('the front door of a gateway that has as many connections as it can take', () => {
  // Proves that it is shut for those who come alone, that it opens again, and that a stop while it is shut ends as any other.
  it('is shut for those who come, answers those who are there, and drains all the same', async () => {
    const rig = await GatewayRig.start();
    await rig.publish(testEvent());
    const { frontDoor } = rig.parts;
    const token = await rig.session('inside');
    const client = await RawClient.to(rig);
    client.shake(token);
    await client.answers(1);
    frontDoor.limitConnections(1);
    await expect(RawClient.to(rig)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.shake(token);
    await client.answers(2);
    expect(await gatewayMetrics(rig.parts).metrics()).toMatch(/hongbao_door_shut\{service="gateway"\} 1/);
    frontDoor.limitConnections(Number.POSITIVE_INFINITY);
    expect((await rig.shake(1, token)).status).toBe(200);
    frontDoor.limitConnections(1);
    await rig.stop();
    expect(client.isClosed).toBe(true);
  });
});
