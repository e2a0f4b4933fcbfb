import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from './support/http.ts';
import { Night } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

/** Proves the public contract by plain HTTP as two users would meet it: the walk of API.md and every row of its bad-input table. */
describe('the walk of two users', () => {
  let night: Night;
  let eventId: string;
  let alice: string;
  let bob: string;
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  let hit: any;
  // biome-ignore lint/suspicious/noExplicitAny: asserted field by field
  let opened: any;

  beforeAll(async () => {
    night = await Night.start({ env: { OPEN_REPLY_WAIT_MS: '5000', GRAB_REPLY_WAIT_MS: '5000' } });
    eventId = await night.liveEvent(
      smallPlan({
        packetsPerSponsor: 500,
        sponsors: 2,
        durationMs: 120_000,
        ticketTtlMs: 4000,
        sharePortions: 3,
        sharesLastMs: 60_000,
      }),
    );
    alice = await night.session('alice');
    bob = await night.session('bob');
  });
  afterAll(() => night.stop());

  const open = (ticket: unknown, token = alice) =>
    night.gateway('POST', '/v1/packets/open', { token, body: { ticket } });

  it('shows the event with everything a phone needs', async () => {
    const { status, body, headers } = await night.gateway('GET', `/v1/events/${eventId}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: eventId, state: 'live', tier: 0, shakeIntervalMs: 100, startOffsetMs: 0 });
    expect(body.secretCommitment).toMatch(/^[0-9a-f]{64}$/);
    expect(body.secret).toBeUndefined();
    expect(body.sponsors).toHaveLength(2);
    expect(headers.get('cache-control')).toContain('max-age=1');
    expect((await night.gateway('GET', '/v1/events')).body.events.map((event: { id: string }) => event.id)).toContain(
      eventId,
    );
  });

  it('shakes until it wins and opens once, however often it asks', async () => {
    hit = await night.shakeUntilHit(eventId, alice);
    expect(hit).toMatchObject({ result: 'hit', sponsor: { id: expect.stringMatching(/^sponsor-/) } });
    const answers = await Promise.all([open(hit.ticket), open(hit.ticket), open(hit.ticket)]);
    opened = answers[0]!.body;
    expect(opened).toMatchObject({ status: 'credited', eventId, sponsor: hit.sponsor, share: { portions: 3 } });
    for (const { status, body } of answers)
      expect([status, body.amountFen, body.packetId]).toEqual([200, opened.amountFen, opened.packetId]);
  });

  it('shows status, history and wallet of what was booked, to its owner only', async () => {
    const status = await night.gateway('GET', `/v1/packets/${opened.packetId}`, { token: alice });
    expect([status.status, status.body.amountFen]).toEqual([200, opened.amountFen]);
    const history = await until(
      'the history',
      () => night.gateway('GET', '/v1/me/packets', { token: alice }),
      ({ body }) => body.packets.length === 1,
    );
    expect(history.body.packets[0]).toMatchObject({ packetId: opened.packetId, eventId, amountFen: opened.amountFen });
    const wallet = await until(
      'the wallet',
      () => night.gateway('GET', '/v1/me/wallet', { token: alice }),
      ({ body }) => body.balanceFen > 0,
    );
    expect(wallet.body.balanceFen).toBe(opened.amountFen);
    expect((await night.gateway('GET', `/v1/packets/${opened.packetId}`, { token: bob })).body.code).toBe(
      'packet_unknown',
    );
  });

  it('shares, and a friend and the owner take portions, each once', async () => {
    const share = () =>
      night.gateway('POST', `/v1/packets/${opened.packetId}/share`, { token: alice, body: { ticket: hit.ticket } });
    const first = await share();
    expect([first.status, first.body.portions]).toEqual([201, 3]);
    expect((await share()).body.shareToken).toBe(first.body.shareToken);
    const withoutTicket = await night.gateway('POST', `/v1/packets/${opened.packetId}/share`, { token: alice });
    expect(withoutTicket.body.shareToken).toBe(first.body.shareToken);

    const grab = (token: string) => night.gateway('POST', `/v1/shares/${first.body.shareToken}/grab`, { token });
    const bobs = await grab(bob);
    expect(bobs.body).toMatchObject({ status: 'credited', portion: 1 });
    expect((await grab(bob)).body).toEqual(bobs.body);
    expect((await grab(alice)).body).toMatchObject({ status: 'credited', portion: 2 });
    expect((await grab(await night.session('carol'))).body).toMatchObject({ status: 'credited', portion: 3 });
    expect((await grab(await night.session('dave'))).body).toEqual({ status: 'empty' });

    const page = await until(
      'the share page',
      () => night.gateway('GET', `/v1/shares/${first.body.shareToken}`, { token: bob }),
      ({ body }) => body.taken === 3,
    );
    expect(page.body).toMatchObject({ portions: 3, yours: { amountFen: bobs.body.amountFen, portion: 1 } });
    expect(page.body.grabs).toHaveLength(3);
    expect(page.body.grabs.filter((entry: { luckiest: boolean }) => entry.luckiest)).toHaveLength(1);
  });

  it.each([
    ['no JSON', { raw: 'nope' }, 400, 'bad_request'],
    ['a wrong shape', { body: { ticket: 7 } }, 400, 'bad_request'],
    ['no ticket', { body: {} }, 400, 'bad_request'],
    ['a body over 4 KiB', { body: { ticket: 'x'.repeat(5000) } }, 413, 'too_large'],
    ['a garbled ticket', { body: { ticket: 'garbled' } }, 400, 'ticket_invalid'],
  ])('refuses %s at open', async (_what, options, status, code) => {
    const answer = await night.gateway('POST', '/v1/packets/open', { token: alice, ...options });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('refuses forged, truncated and foreign tickets and sessions', async () => {
    const forged = `${hit.ticket.slice(0, -2)}${hit.ticket.endsWith('AA') ? 'BB' : 'AA'}`;
    expect((await open(forged)).body.code).toBe('ticket_invalid');
    expect((await open(hit.ticket.slice(0, -4))).body.code).toBe('ticket_invalid');
    expect((await open(hit.ticket, bob)).body).toMatchObject({ status: 403, code: 'ticket_not_yours' });
    for (const headers of [
      {},
      { authorization: 'Bearer forged' },
      { authorization: `Bearer ${alice.slice(0, -3)}AAA` },
    ]) {
      const answer = await night.gateway('POST', '/v1/packets/open', { body: { ticket: hit.ticket }, headers });
      expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated']);
      expect((await night.gateway('POST', `/v1/events/${eventId}/shake`, { headers })).body.code).toBe(
        'unauthenticated',
      );
    }
  });

  it('refuses a forged share token and an unknown event, packet or route', async () => {
    const { body: share } = await night.gateway('POST', `/v1/packets/${opened.packetId}/share`, { token: alice });
    for (const token of ['garbled', share.shareToken.slice(0, -4), hit.ticket]) {
      expect((await night.gateway('POST', `/v1/shares/${token}/grab`, { token: bob })).body.code).toBe('share_invalid');
      expect((await night.gateway('GET', `/v1/shares/${token}`)).body.code).toBe('share_invalid');
    }
    expect((await night.gateway('GET', '/v1/events/999999')).body.code).toBe('event_unknown');
    expect((await night.gateway('POST', '/v1/events/999999/shake', { token: alice })).body.code).toBe('event_unknown');
    expect((await night.gateway('GET', '/v1/packets/1', { token: alice })).body.code).toBe('packet_unknown');
    expect((await night.gateway('GET', '/nowhere')).body.code).toBe('not_found');
  });

  it('refuses a second packet of a sponsor and more than the limit, and lets an unopened ticket expire', async () => {
    const second = await night.shakeUntilHit(eventId, alice, hit.state);
    expect(second.result).toBe('hit');
    expect(second.sponsor.id).not.toBe(hit.sponsor.id);
    await new Promise((resolve) => setTimeout(resolve, Date.parse(second.expiresAt) - Date.now() + 50));
    const late = await until(
      'the expiry',
      () => open(second.ticket),
      ({ status }) => status === 410,
    );
    expect([late.status, late.body.code]).toEqual([410, 'ticket_expired']);
    expect((await open(hit.ticket)).body).toMatchObject({ status: 'credited', amountFen: opened.amountFen });
  });

  it('serves its document, health and metrics door', async () => {
    expect((await night.gateway('GET', '/openapi.json')).body.paths['/v1/packets/open']).toBeDefined();
    expect((await night.gateway('GET', '/livez')).status).toBe(200);
    expect((await night.gateway('GET', '/readyz')).status).toBe(200);
  });

  it('settles to the fen', async () => {
    const closed = await night.ops('POST', `/events/${eventId}/close`, { reason: 'test' });
    expect(closed.status).toBe(200);
    expect((await night.gateway('POST', `/v1/events/${eventId}/shake`, { token: bob })).status).toBe(200);
    const early = await night.ops('POST', `/events/${eventId}/settle`, { reason: 'test' });
    expect([early.status, early.body.code]).toEqual([409, 'too_early']);
    expect(Date.parse(early.body.possibleAt)).toBeGreaterThan(Date.now());
    const proof = (await night.ops('GET', `/events/${eventId}/reconciliation`)).body;
    expect(proof).toMatchObject({ balanced: true, violations: [], budgetFen: 2 * 500 * (100 + 30) });
    expect(proof.grantedFen + proof.grabbedFen + proof.refundedFen + proof.unclaimedFen).toBe(proof.budgetFen);
    expect(proof.grantedFen).toBe(opened.amountFen);
  });
});
