import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { importanceHeader, type OpenOutcome } from '#libs/contracts';
import { listGatewaySamples } from '#libs/redis';
import { gatewayMetrics } from '../process/gateway-metrics.ts';
import { type Answer, GatewayRig, until } from '../testing/gateway-rig.ts';
import { RawClient } from '../testing/raw-client.ts';
import { sendJson } from '../testing/scripted-service.ts';
import { signed, testEvent } from '../testing/test-event.ts';

/*
 * What a gateway does by itself when it has too much to do: the classes step back in their order, one quick answer each, and come
 * back by themselves. How the level moves is proven by the simulation in libs/degradation; here it is what the level does.
 */

const credited: OpenOutcome = { outcome: 'credited', amountFen: 88 };

describe('a gateway that has stepped back by itself', () => {
  let rig: GatewayRig;
  let alice: string;
  beforeAll(async () => {
    rig = await GatewayRig.start({ LOCAL_ADMISSION: 'on', OPENS_IN_FLIGHT_MAX: '10', OPEN_REPLY_WAIT_MS: '5000' });
    await rig.publish(testEvent());
    rig.consume([0, 1], (items) => Promise.resolve(items.map(() => credited)));
    rig.share.answer((_request, response) => sendJson(response, 200, { status: 'empty' }));
    rig.allocation.answer((_request, response) =>
      sendJson(response, 200, { balanceFen: 5, asOf: new Date().toISOString() }),
    );
    alice = await rig.session('alice');
  });
  afterAll(() => rig.stop());
  afterEach(() => opensUnderWay(0));

  const opensUnderWay = (count: number): void => {
    rig.parts.openCounters.inFlight = count;
  };
  const levelIs = (isWanted: (level: number) => boolean) => until('the level', () => rig.parts.local.level, isWanted);
  const wallet = () => rig.call('GET', '/v1/me/wallet', { token: alice });
  const isShed = ({ status, body, headers }: Answer): boolean =>
    status === 503 && body.code === 'overloaded' && Number(headers.get('retry-after')) >= 1;

  it('refuses extras and reads, lets shakes rest, opens and shares all the same, and comes back', async () => {
    expect((await wallet()).status).toBe(200);
    opensUnderWay(9);
    await levelIs((level) => level === 3);
    for (const path of ['/v1/me/wallet', '/v1/me/packets', '/v1/packets/5', '/v1/events/1/leaderboard', '/v1/events/1'])
      expect([path, isShed(await rig.call('GET', path, { token: alice }))]).toEqual([path, true]);
    expect(isShed(await rig.call('POST', '/v1/sessions', { body: { userId: 'late' } }))).toBe(true);
    expect((await rig.shake(1, alice)).body).toMatchObject({ result: 'rest', nextShakeMs: expect.any(Number) });
    const ticket = signed('ticket');
    const opened = await rig.call('POST', '/v1/packets/open', { token: alice, body: { ticket } });
    expect(opened.body.status).toBe('credited');
    const share = await rig.call('POST', `/v1/packets/${opened.body.packetId}/share`, {
      token: alice,
      body: { ticket },
    });
    expect(share.status).toBe(201);
    expect((await rig.call('POST', `/v1/shares/${share.body.shareToken}/grab`, { token: alice })).body.status).toBe(
      'empty',
    );
    expect((await rig.call('GET', '/readyz')).status).toBe(200);
    opensUnderWay(0);
    await levelIs((level) => level === 0);
    expect((await wallet()).status).toBe(200);
    expect((await rig.shakeUntil(['miss'], 1, alice)).body.result).toBe('miss');
  });

  it('tells operations its level, and Prometheus what it shed', async () => {
    opensUnderWay(9);
    await levelIs((level) => level === 3);
    expect(isShed(await wallet())).toBe(true);
    const sampleLevel = async () =>
      (await listGatewaySamples(rig.client))[0]?.sample as { admissionLevel: number } | undefined;
    await until('the sample', sampleLevel, (sample) => sample?.admissionLevel === 3);
    const text = await gatewayMetrics(rig.parts).metrics();
    expect(text).toContain('hongbao_admission_level{service="gateway"} 3');
    expect(text).toContain('hongbao_admitted_share{class="reads",service="gateway"} 0');
    expect(text).toContain('hongbao_admitted_share{class="open",service="gateway"} 1');
    expect(text).toMatch(/hongbao_requests_shed_total\{class="reads",service="gateway"\} [1-9]/);
    opensUnderWay(0);
    await levelIs((level) => level === 0);
  });

  // Proves that the opens' places are theirs: however many other requests are under way, they take none of them.
  it('has places for opens when all others are taken', async () => {
    const { gate } = rig.parts;
    const before = gate.othersUnderWay;
    gate.othersUnderWay = Number.MAX_SAFE_INTEGER - 1_000_000;
    expect(isShed(await wallet())).toBe(true);
    const opened = await rig.call('POST', '/v1/packets/open', { token: alice, body: { ticket: signed('ticket') } });
    expect(opened.status).toBe(200);
    gate.othersUnderWay = before;
    expect((await wallet()).status).toBe(200);
  });

  it('counts what is under way, also when its client has gone', async () => {
    const { gate } = rig.parts;
    rig.allocation.answer(() => undefined);
    const call = rig.call('GET', '/v1/me/packets', { token: alice, timeoutMs: 300 }).catch(() => 'gone');
    await until(
      'the request',
      () => gate.othersUnderWay,
      (count) => count === 1,
    );
    expect(await call).toBe('gone');
    await until(
      'its end',
      () => gate.othersUnderWay,
      (count) => count === 0,
    );
    rig.allocation.answer((_request, response) =>
      sendJson(response, 200, { balanceFen: 5, asOf: new Date().toISOString() }),
    );
  });

  it('tells the share service how important a request is, and the place that its user has', async () => {
    const shareToken = signed('share');
    const headerOf = async (method: string, path: string, token?: string) => {
      await rig.call(method, path, token === undefined ? {} : { token });
      return (rig.share.seen.at(-1)!.headers[importanceHeader] as string).split(' ');
    };
    const [grab, grabPriority] = await headerOf('POST', `/v1/shares/${shareToken}/grab`, alice);
    const [page, pagePriority] = await headerOf('GET', `/v1/shares/${shareToken}`, alice);
    const [board, boardPriority] = await headerOf('GET', '/v1/events/1/leaderboard');
    expect([grab, page, board]).toEqual(['grab', 'reads', 'extras']);
    expect(pagePriority).toBe(grabPriority);
    for (const priority of [grabPriority, pagePriority, boardPriority]) {
      expect(Number(priority)).toBeGreaterThanOrEqual(0);
      expect(Number(priority)).toBeLessThan(1);
    }
  });

  // Proves that whoever is not read any more is hung up on, and that who asked for what matters more than shakes is still answered.
  it('lets go of connections that only shake when requests wait too long', async () => {
    const sessions = await Promise.all(Array.from({ length: 12 }, (_, no) => rig.session(`on-a-line-${no}`)));
    const shakers = await Promise.all(sessions.map(() => RawClient.to(rig)));
    const other = await RawClient.to(rig);
    // no ticket: it is refused, but it was asked for
    const askToOpen = () =>
      other.socket.write(
        `POST /v1/packets/open HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${alice}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      );
    for (const [no, shaker] of shakers.entries()) shaker.shake(sessions[no]!);
    askToOpen();
    await Promise.all([...shakers.map((shaker) => shaker.answers(1)), other.answers(1)]);
    const { lines } = rig.parts;
    const startMs = performance.now();
    const busy = { elapsedMs: 100, utilisation: 1, connections: 100 };
    const step = (
      no: number,
      readWaitMs: number,
      own: { readBefore: number; requests: number; utilisation?: number },
    ) => {
      const sentAtMs = startMs + no * 100 - readWaitMs;
      lines.step({
        ...busy,
        nowMs: startMs + no * 100,
        readWaitMs,
        ownSentAtMs: sentAtMs,
        ...own,
      });
    };
    // virtual steps: all the time goes into new connections, ever more wait, and those who were parked are let go of
    for (let no = 0; no < 60; no++) step(no, no * 50, { readBefore: no, requests: 1 });
    expect(lines.shed).toBeGreaterThan(0);
    for (let no = 60; no < 70; no++) step(no, 0, { readBefore: 60, requests: 1, utilisation: 0.1 });
    await until(
      'the end of a connection',
      () => shakers.some(({ isClosed }) => isClosed),
      (hasEnded) => hasEnded,
    );
    askToOpen();
    expect((await other.answers(2)).length).toBe(2);
    expect((await rig.shake(1, alice)).status).toBe(200);
    for (const client of [...shakers, other]) client.socket.destroy();
  });

  // Proves the way from the event loop to the level: a loop that is full, under a load, is seen; when it is free again it is over.
  it('steps back when its event loop is late under load', async () => {
    const { gate, local } = rig.parts;
    const spin = (ms: number): void => {
      const endMs = performance.now() + ms;
      while (performance.now() < endMs);
    };
    for (let turns = 0; local.level === 0 && turns < 50; turns++) {
      gate.came.extras += 1000;
      spin(250);
      await new Promise((resolve) => setTimeout(resolve));
    }
    expect(local.level).toBeGreaterThan(0);
    await levelIs((level) => level === 0);
  });
});

describe('a gateway whose opens get no outcome', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start({ LOCAL_ADMISSION: 'on', OPEN_REPLY_WAIT_MS: '1200' });
    await rig.publish(testEvent());
    rig.allocation.answer((_request, response) =>
      sendJson(response, 200, { balanceFen: 5, asOf: new Date().toISOString() }),
    );
  });
  afterAll(() => rig.stop());

  // Proves that those who wait for nothing count: by those alone that have an outcome the level lets go when the lanes stand still.
  it('refuses reads while its opens are answered pending, and comes back', async () => {
    const alice = await rig.session('alice');
    const open = () =>
      rig.call('POST', '/v1/packets/open', { token: alice, body: { ticket: signed('ticket') }, timeoutMs: 20_000 });
    const opens = Promise.all(Array.from({ length: 100 }, open));
    await until(
      'the level',
      () => rig.parts.local.level,
      (level) => level === 2,
    );
    expect((await rig.call('GET', '/v1/me/wallet', { token: alice })).body.code).toBe('overloaded');
    expect(new Set((await opens).map(({ status }) => status))).toEqual(new Set([202]));
    await until(
      'the level',
      () => rig.parts.local.level,
      (level) => level === 0,
    );
    expect((await rig.call('GET', '/v1/me/wallet', { token: alice })).status).toBe(200);
  });
});
