import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { shakeAnswerSchema } from '#libs/contracts';
import { verifyClaim } from '#libs/domain';
import { writeDegradation } from '#libs/redis';
import { type Answer, GatewayRig, until } from '../testing/gateway-rig.ts';
import { poolIdOf, testBlock, testEvent, testRing } from '../testing/test-event.ts';

let rig: GatewayRig;
beforeAll(async () => {
  rig = await GatewayRig.start();
});
afterAll(() => rig.stop());

const blocksOf = (eventId: number, size = 256) =>
  [0, 1, 2].map((sponsorNo) => testBlock(poolIdOf(eventId, sponsorNo), { size }));

/** Sends bytes as they are and resolves with everything that came back when the connection is closed. */
function rawRequest(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(rig.url).port), '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.setEncoding('latin1').on('data', (data) => {
      answer += data;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}

describe('the shake route', () => {
  it('gives a lone user a ticket that verifies, one of each sponsor, and then says limit', async () => {
    await rig.publish(testEvent());
    await rig.stock(...blocksOf(1));
    const alice = await rig.session('alice');
    const hits = new Map<string, Answer>();
    for (;;) {
      const hit = await rig.shakeUntil(['hit', 'limit'], 1, alice);
      if (hit.body.result === 'limit') break;
      hits.set(hit.body.packetId, hit);
      await new Promise((resolve) => setTimeout(resolve, hit.body.nextShakeMs));
    }
    expect(hits.size).toBe(3);
    expect(new Set([...hits.values()].map(({ body }) => body.sponsor.id)).size).toBe(3);
    expect((await rig.shakeUntil(['limit'], 1, alice)).body).toEqual({ result: 'limit' });
    for (const { status, headers, body } of hits.values()) {
      expect(verifyClaim(testRing, 'ticket', body.ticket)).toMatchObject({ userId: 'alice', eventId: 1 });
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
      expect(() => shakeAnswerSchema.parse(body)).not.toThrow();
    }
  });

  it('gives one ticket to one user in one slot, however often and over however many connections it is asked', async () => {
    await rig.publish(testEvent({ id: 10, shakeIntervalMs: 600_000 }));
    await rig.stock(...blocksOf(10));
    await rig.shake(10, await rig.session('waker'));
    const inHand = () => rig.parts.shakeEvents.find('10')!.stock.left;
    await until('stock in hand', inHand, (left) => left > 0);
    const sessions = await Promise.all([1, 2, 3].map(() => rig.session('greedy')));
    const answers = await Promise.all([...sessions, ...sessions].map((token) => rig.shake(10, token)));
    const again = await rig.shake(10, sessions[0]!, answers[0]!.body.state);
    expect(answers[0]!.body.result).toBe('hit');
    for (const { body } of [...answers, again]) expect(body).toEqual(answers[0]!.body);
  });

  it('answers the windows of an event: not started, over, closed', async () => {
    const nowMs = rig.parts.time.approxMs();
    await rig.publish(
      testEvent({ id: 11, state: 'armed', startsAtMs: nowMs + 60_000 }),
      testEvent({ id: 12, startsAtMs: nowMs - 60_000, endsAtMs: nowMs - 1 }),
      testEvent({ id: 13, state: 'closed' }),
      testEvent({ id: 14, state: 'armed', startsAtMs: nowMs - 1, staggerMs: 3_600_000 }),
    );
    const alice = await rig.session('alice');
    const early = (await rig.shake(11, alice)).body;
    expect(early.result).toBe('not_started');
    expect(early.startsInMs).toBeGreaterThan(50_000);
    expect((await rig.shake(12, alice)).body).toEqual({ result: 'over' });
    expect((await rig.shake(13, alice)).body).toEqual({ result: 'over' });
    const own = (await rig.call('GET', '/v1/events/14', { token: alice })).body;
    const staggered = (await rig.shake(14, alice)).body;
    expect(staggered.result).toBe('not_started');
    expect(staggered.startsInMs).toBeLessThanOrEqual(own.startOffsetMs);
  });

  it('refuses bad sessions, unknown events, long bodies and long addresses', async () => {
    const alice = await rig.session('alice');
    const path = '/v1/events/1/shake';
    for (const headers of [{}, { authorization: 'Bearer forged' }, { authorization: 'Basic YTpi' }]) {
      const { status, body, headers: answered } = await rig.call('POST', path, { headers });
      expect([status, body.code, answered.get('www-authenticate')]).toEqual([401, 'unauthenticated', 'Bearer']);
    }
    for (const id of ['999', 'x', '01', '-1'])
      expect((await rig.call('POST', `/v1/events/${id}/shake`, { token: alice })).body.code).toBe('event_unknown');
    expect((await rig.call('POST', path, { token: alice, raw: 'no JSON, ignored' })).status).toBe(200);
    expect((await rig.call('POST', `${path}?a=b`, { token: alice })).status).toBe(200);
    const large = await rawRequest(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1.1 413 [\s\S]*connection: close[\s\S]*"code":"too_large"/i);
    expect((await rig.call('POST', `${path}?${'x'.repeat(2000)}`, { token: alice })).body.code).toBe('bad_request');
    expect((await rig.call('GET', path, { token: alice })).status).toBe(404);
  });

  it('drops a body that nobody reads, and takes what comes after it on the connection for the next request', async () => {
    await rig.publish(testEvent({ id: 16 }));
    const authorization = `authorization: Bearer ${await rig.session('alice')}`;
    const bodies = ['', 'content-length: 0\r\n', 'content-length: 24\r\n'];
    const requests = bodies.map((length, at) => {
      const last = at === bodies.length - 1 ? 'connection: close\r\n' : '';
      const body = length.includes('24') ? 'GET /healthz HTTP/1.1\r\n\r' : '';
      return `POST /v1/events/16/shake HTTP/1.1\r\nhost: a\r\n${authorization}\r\n${length}${last}\r\n${body}`;
    });
    // the one with a body in the middle: what follows it is read as a request of its own
    const [bare, empty, long] = requests;
    const answers = await rawRequest(`${bare}${long!.replace('connection: close\r\n', '')}${empty}${long}`);
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4);
    expect(answers.match(/"result":/g)).toHaveLength(4);
    const cross = await rawRequest(
      `${bare}GET /v1/events/16 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${authorization}\r\n\r\n`,
    );
    expect(cross).toMatch(/"result":[\s\S]*"serverTime":/);
  });

  it('cuts the connection of a body without a length that grows too long', async () => {
    const alice = await rig.session('alice');
    const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
    const head = `POST /v1/events/1/shake HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${alice}\r\ntransfer-encoding: chunked\r\n\r\n`;
    expect(await rawRequest(`${head}${chunk}${chunk}${chunk}`)).not.toContain('HTTP/1.1 200 OK\r\n\r\nHTTP');
  });

  it('closes the connection of a client that keeps coming early, after the answer', async () => {
    await rig.publish(testEvent({ id: 15, shakeIntervalMs: 60_000 }));
    const hasty = await rig.session('hasty');
    const shakes = await Promise.all(Array.from({ length: 40 }, () => rig.shake(15, hasty)));
    const cut = shakes.filter(({ headers }) => headers.get('connection') === 'close');
    expect(cut.length).toBeGreaterThan(10);
    expect(cut.every(({ status, body }) => status === 200 && body.result === 'rest')).toBe(true);
  });

  it('sends its Redis as many commands for a thousand losing shakes as for none', async () => {
    await rig.publish(testEvent({ id: 16 }));
    const users = await Promise.all(Array.from({ length: 50 }, (_, i) => rig.session(`loser-${i}`)));
    const sent = commandsSent();
    const startedAt = performance.now();
    for (let round = 0; round < 20 || performance.now() - startedAt < countedMs; round++)
      await Promise.all(users.map((token) => rig.shake(16, token)));
    const seconds = (performance.now() - startedAt) / 1000;
    expect(rig.parts.shakeCounters.results.miss).toBeGreaterThanOrEqual(900);
    // two turns with the stock, the clock, the figures and, seldom, events, switches and pings: it does not grow with the shakes
    expect(sent.stop()).toBeLessThan(commandsPerSecondMax * (seconds + 1));
  });

  it('obeys tiers and switches within a second: rest at tier 5, drawn again after it', async () => {
    await rig.publish(testEvent({ id: 17 }));
    const alice = await rig.session('alice');
    expect((await rig.shake(17, alice)).body.result).toBe('miss');
    const state = { version: 1, mode: 'pinned', tier: 5, autoTier: 0, features: {}, updatedAtMs: 0 } as const;
    await writeDegradation(rig.client, state);
    const rest = await rig.shakeUntil(['rest'], 17, alice);
    expect(rest.body).toMatchObject({ nextShakeMs: expect.any(Number), message: expect.any(String) });
    await writeDegradation(rig.client, { ...state, version: 2, features: { shakes: { state: 'on' } } });
    expect((await rig.shakeUntil(['miss'], 17, alice)).status).toBe(200);
    await writeDegradation(rig.client, { ...state, mode: 'auto', version: 3 });
    await until(
      'tier 0',
      () => rig.parts.degradation.tier(),
      (tier) => tier === 0,
    );
  });
});

const commandsPerSecondMax = 5;
const countedMs = 4000;

/** Counts what the gateway sends to Redis from now on. */
function commandsSent(): { stop(): number } {
  let count = 0;
  const spies = [rig.parts.redis.cache, rig.parts.redis.producer].map((client) => {
    const send = client.sendCommand.bind(client);
    return vi.spyOn(client, 'sendCommand').mockImplementation((...command) => {
      count += 1;
      return send(...command);
    });
  });
  return {
    stop() {
      for (const spy of spies) spy.mockRestore();
      return count;
    },
  };
}
