import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shareSchema, userHeader } from '#libs/contracts';
import { packetIdOf, verifyClaim } from '#libs/domain';
import { writeDegradation } from '#libs/redis';
import { GatewayRig, until } from '../testing/gateway-rig.ts';
import { sendJson } from '../testing/scripted-service.ts';
import { poolIdOf, signed, testEvent, testRing } from '../testing/test-event.ts';

let rig: GatewayRig;
let alice: string;
beforeAll(async () => {
  rig = await GatewayRig.start();
  const nowMs = rig.parts.time.approxMs();
  await rig.publish(testEvent(), testEvent({ id: 2, sharesEndAtMs: nowMs - 1 }));
  alice = await rig.session('alice');
});
afterAll(() => rig.stop());

const packetIdIn = (eventId: number, sponsorNo: number): bigint =>
  packetIdOf({ poolId: poolIdOf(eventId, sponsorNo), blockNo: 7, index: 3 });

describe('the share token of a packet', () => {
  const packetId = packetIdIn(1, 0);
  const share = (id: bigint | string, body?: unknown, token = alice) =>
    rig.call('POST', `/v1/packets/${id}/share`, { token, body });

  it('is made from the ticket, also from one that is past, and is the same every time', async () => {
    const answers = [
      await share(packetId, { ticket: signed('ticket', { packetId }) }),
      await share(packetId, { ticket: signed('ticket', { packetId, atMs: Date.now() - 60_000 }) }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers[1]!.body).toEqual(answers[0]!.body);
    const made = shareSchema.parse(answers[0]!.body);
    expect(made.url).toBe(`${rig.url}/play?share=${made.shareToken}`);
    expect(made.portions).toBe(3);
    const claim = verifyClaim(testRing, 'share', made.shareToken)!;
    expect(claim).toMatchObject({ packetId, eventId: 1, userId: 'alice', sponsorNo: 0, epoch: 1 });
    expect(claim.atMs).toBe(Date.parse(made.expiresAt));
    expect(rig.allocation.seen).toEqual([]);
  });

  it('is made for the owner by the word of the ledger when there is no ticket, with or without a body', async () => {
    rig.allocation.answer((_request, response) => sendJson(response, 200, ledgerStatus(packetId)));
    const withTicket = await share(packetId, { ticket: signed('ticket', { packetId }) });
    for (const body of [undefined, {}]) expect((await share(packetId, body)).body).toEqual(withTicket.body);
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'unknown' }));
    expect((await share(packetId)).body.code).toBe('packet_unknown');
    await rig.allocation.stop();
    expect((await share(packetId)).body.code).toBe('dependency_unavailable');
    expect((await share(packetId, { ticket: signed('ticket', { packetId }) })).status).toBe(201);
    await rig.allocation.start();
  });

  it.each([
    ['a garbled ticket', packetId, { ticket: 'garbled' }, 400, 'ticket_invalid'],
    ['a ticket of another packet', packetId, { ticket: signed('ticket', { packetId: 9n }) }, 400, 'ticket_invalid'],
    [
      "another user's ticket",
      packetId,
      { ticket: signed('ticket', { packetId, userId: 'bob' }) },
      403,
      'ticket_not_yours',
    ],
    ['a wrong shape', packetId, { tickets: [] }, 400, 'bad_request'],
    ['a bad packet id', 'x', {}, 400, 'bad_request'],
    [
      'a pool without portions',
      packetIdIn(1, 2),
      { ticket: signed('ticket', { packetId: packetIdIn(1, 2), sponsorNo: 2 }) },
      409,
      'state_conflict',
    ],
    [
      'shares that ended',
      packetIdIn(2, 0),
      { ticket: signed('ticket', { packetId: packetIdIn(2, 0), eventId: 2 }) },
      410,
      'share_expired',
    ],
  ] as const)('is refused with %s', async (_what, id, body, status, code) => {
    const answer = await share(id, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });
});

describe('what is forwarded to the share service', () => {
  const shareToken = signed('share', { packetId: packetIdIn(1, 0) });

  it('never sees garbage: forged tokens, unknown events and bad sessions are refused before it', async () => {
    rig.share.seen.length = 0;
    const page = (token: string, headers = {}) => rig.call('GET', `/v1/shares/${token}`, { headers });
    const codes = [
      (await page('garbled')).body.code,
      (await page(signed('ticket'))).body.code,
      (await page(shareToken.slice(0, -4))).body.code,
      (await page(shareToken, { authorization: 'Bearer forged' })).body.code,
      (await rig.call('POST', `/v1/shares/${shareToken}/grab`)).body.code,
      (await rig.call('POST', '/v1/shares/garbled/grab', { token: alice })).body.code,
      (await rig.call('GET', '/v1/events/99/leaderboard')).body.code,
      (await rig.call('GET', '/v1/events/99/feed')).body.code,
    ];
    const invalid = 'share_invalid';
    const expected = [
      invalid,
      invalid,
      invalid,
      'unauthenticated',
      'unauthenticated',
      invalid,
      'event_unknown',
      'event_unknown',
    ];
    expect(codes).toEqual(expected);
    expect(rig.share.seen).toEqual([]);
  });

  it('knows the verified user, and passes answers and problems on', async () => {
    rig.share.seen.length = 0;
    rig.share.answer((request, response) => {
      if (request.method === 'POST') sendJson(response, 202, { status: 'pending', pollAfterMs: 500 });
      else sendJson(response, 200, { user: request.headers[userHeader] ?? null });
    });
    expect((await rig.call('GET', `/v1/shares/${shareToken}`)).body).toEqual({ user: null });
    const forged = { headers: { [userHeader]: 'mallory' } };
    expect((await rig.call('GET', `/v1/shares/${shareToken}`, forged)).body).toEqual({ user: null });
    expect((await rig.call('GET', `/v1/shares/${shareToken}`, { token: alice, ...forged })).body).toEqual({
      user: 'alice',
    });
    const grab = await rig.call('POST', `/v1/shares/${shareToken}/grab`, { token: alice, ...forged });
    expect([grab.status, grab.body]).toEqual([202, { status: 'pending', pollAfterMs: 500 }]);
    expect(rig.share.seen.at(-1)).toMatchObject({
      path: `/internal/v1/shares/${shareToken}/grab`,
      headers: { [userHeader]: 'alice' },
    });
    rig.share.answer((_request, response) =>
      sendJson(response, 410, {
        type: '/docs#share_expired',
        title: 'x',
        status: 410,
        code: 'share_expired',
        detail: 'gone',
      }),
    );
    const gone = await rig.call('POST', `/v1/shares/${shareToken}/grab`, { token: alice });
    expect([gone.status, gone.body.code]).toEqual([410, 'share_expired']);
  });

  it('passes the feed on as it comes, and ends with either side', async () => {
    let closed = 0;
    rig.share.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"kind":"open"}\n\n');
      response.on('close', () => {
        closed += 1;
      });
    });
    const stop = new AbortController();
    const response = await fetch(`${rig.url}/v1/events/1/feed`, { signal: stop.signal });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const { value } = await response.body!.getReader().read();
    expect(Buffer.from(value!).toString()).toBe('data: {"kind":"open"}\n\n');
    expect(rig.parts.feeds.size).toBe(1);
    stop.abort();
    await until(
      'the end at the other side',
      () => closed,
      (count) => count === 1,
    );
    await until(
      'the end here',
      () => rig.parts.feeds.size,
      (size) => size === 0,
    );
    const head = await fetch(`${rig.url}/v1/events/1/feed`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), rig.parts.feeds.size]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
      0,
    ]);
    rig.share.answer((_request, response) =>
      sendJson(response, 503, { code: 'feature_off', detail: 'off', retryAfterMs: 1000 }),
    );
    expect((await rig.call('GET', '/v1/events/1/feed')).body.code).toBe('feature_off');
  });

  it('is 503 with Retry-After while the service is away, and other routes do not notice', async () => {
    await rig.share.stop();
    const paths = [`/v1/shares/${shareToken}`, '/v1/events/1/leaderboard', '/v1/events/1/feed'];
    for (const path of paths) {
      const answer = await rig.call('GET', path);
      expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
        503,
        'dependency_unavailable',
        '1',
      ]);
    }
    expect((await rig.call('POST', `/v1/shares/${shareToken}/grab`, { token: alice })).body.code).toBe(
      'dependency_unavailable',
    );
    expect((await rig.call('GET', '/v1/events')).status).toBe(200);
    await rig.share.start();
  });

  it('yields with its features, without asking the service', async () => {
    rig.share.seen.length = 0;
    const state = { mode: 'pinned', autoTier: 0, features: {}, updatedAtMs: 0 } as const;
    await writeDegradation(rig.client, { ...state, version: 1, tier: 5 });
    await until(
      'tier 5',
      () => rig.parts.degradation.tier(),
      (tier) => tier === 5,
    );
    const answers = [
      await rig.call('GET', `/v1/shares/${shareToken}`),
      await rig.call('POST', `/v1/shares/${shareToken}/grab`, { token: alice }),
      await rig.call('GET', '/v1/events/1/leaderboard'),
      await rig.call('GET', '/v1/events/1/feed'),
      await rig.call('GET', '/v1/me/wallet', { token: alice }),
      await rig.call('GET', '/v1/me/packets', { token: alice }),
      await rig.call('POST', '/v1/sessions'),
      await rig.call('POST', `/v1/packets/${packetIdIn(1, 0)}/share`, { token: alice }),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [503, 'feature_off']));
    const ticket = signed('ticket', { packetId: packetIdIn(1, 0) });
    const fromTicket = await rig.call('POST', `/v1/packets/${packetIdIn(1, 0)}/share`, {
      token: alice,
      body: { ticket },
    });
    expect(fromTicket.status).toBe(201);
    const event = (await rig.call('GET', '/v1/events/1')).body;
    expect(event).toMatchObject({
      tier: 5,
      sponsors: [],
      waves: [],
      features: { opens: 'on', shakes: 'off', feed: 'off' },
    });
    expect(rig.share.seen).toEqual([]);
    await writeDegradation(rig.client, { ...state, version: 2, tier: 0 });
    await until(
      'tier 0',
      () => rig.parts.degradation.tier(),
      (tier) => tier === 0,
    );
  });
});

const ledgerStatus = (packetId: bigint) => ({
  status: 'credited',
  packetId: String(packetId),
  eventId: '1',
  sponsorNo: 0,
  sponsor: { id: 'sponsor-0', name: 'Sponsor 0' },
  epoch: 1,
  amountFen: 66,
  portions: 3,
  atMs: Date.now(),
});
