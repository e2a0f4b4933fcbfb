import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { creditedPacketSchema, type OpenItem, type OpenOutcome, pendingPacketSchema } from '#libs/contracts';
import { laneOfBlock, packetIdOf, packetRefOf, verifyClaim, verifyShakeState } from '#libs/domain';
import { addOutstanding, openLane, removeOutstanding } from '#libs/queue';
import { keys, readStore, resetStock } from '#libs/redis';
import { GatewayRig } from '../testing/gateway-rig.ts';
import { sendJson } from '../testing/scripted-service.ts';
import { poolIdOf, signed, testEvent, testRing } from '../testing/test-event.ts';

const packetIdIn = (blockNo: number, index: number, sponsorNo = 0): bigint =>
  packetIdOf({ poolId: poolIdOf(1, sponsorNo), blockNo, index });
let nextBlockNo = 1;
/** A packet that no other test uses. */
const freshPacketId = (sponsorNo = 0): bigint => packetIdIn(nextBlockNo++, 0, sponsorNo);

const credited = (amountFen = 88): OpenOutcome => ({ outcome: 'credited', amountFen });

describe('opening a packet', () => {
  let rig: GatewayRig;
  let alice: string;
  let seen: OpenItem[] = [];
  let outcome: (item: OpenItem) => OpenOutcome | Promise<OpenOutcome> = () => credited();

  beforeAll(async () => {
    rig = await GatewayRig.start({ OPEN_REPLY_WAIT_MS: '3000', OPEN_ACCEPT_MAX_MS: '3000' });
    await rig.publish(testEvent());
    rig.consume([0, 1], (items) => {
      seen.push(...items);
      return Promise.all(items.map((item) => outcome(item)));
    });
    alice = await rig.session('alice');
  });
  afterAll(() => rig.stop());
  beforeEach(() => {
    seen = [];
    outcome = () => credited();
  });
  afterEach(() => rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'open' })));

  const open = (body: unknown, token = alice, headers: Record<string, string> = {}) =>
    rig.call('POST', '/v1/packets/open', { token, body, headers });

  it('credits the amount that the lane says, and marks the win as opened in the state', async () => {
    const packetId = freshPacketId();
    const answer = await open({ ticket: signed('ticket', { packetId, epoch: 3 }) });
    expect(answer.status).toBe(200);
    expect(creditedPacketSchema.parse(answer.body)).toEqual({
      status: 'credited',
      packetId: String(packetId),
      eventId: '1',
      sponsor: { id: 'sponsor-0', name: 'Sponsor 0' },
      amountFen: 88,
      share: { portions: 3 },
      state: expect.any(String),
    });
    const wins = [{ packetId, sponsorNo: 0, expiresAtMs: 0 }];
    expect(verifyShakeState(testRing, 1, 'alice', answer.body.state)!.wins).toEqual(wins);
    const item = { packetId: String(packetId), eventId: 1, userId: 'alice', epoch: 3, sponsorNo: 0 };
    expect(seen).toEqual([{ ...item, acceptedAtMs: expect.any(Number) }]);
  });

  it('keeps the other wins of the client state', async () => {
    const other = await open({ ticket: signed('ticket', { packetId: freshPacketId(1), sponsorNo: 1 }) });
    const ticket = signed('ticket', { packetId: freshPacketId() });
    const answer = await open({ ticket }, alice, { 'x-shake-state': other.body.state });
    expect(verifyShakeState(testRing, 1, 'alice', answer.body.state)!.wins).toHaveLength(2);
  });

  it('gives the same outcome however often it is repeated, at once or later (invariant 7)', async () => {
    const ticket = signed('ticket', { packetId: freshPacketId() });
    const answers = await Promise.all([1, 2, 3].map(() => open({ ticket })));
    answers.push(await open({ ticket }));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.amountFen} ${body.packetId}`)).size).toBe(1);
    expect(answers[0]!.status).toBe(200);
  });

  // Proves that answers from memory do not hide how slow the lanes are.
  it('counts the time of what the lanes decide, and of nothing that was known', async () => {
    const { replyTimes } = rig.parts;
    const openAll = (ticket: string) => Promise.all(Array.from({ length: 60 }, () => open({ ticket })));
    for (let steps = 0; steps < 10; steps++) replyTimes.step();
    const ticket = signed('ticket', { packetId: freshPacketId() });
    await open({ ticket });
    await openAll(ticket);
    expect(replyTimes.step()).toBeUndefined();
    outcome = () => ({ outcome: 'limit' });
    await openAll(signed('ticket', { packetId: freshPacketId() }));
    expect(replyTimes.step()).toBeGreaterThan(0);
  });

  it.each([
    ['no packet at all', { packetId: 0n }],
    ['a pool of another event', { packetId: packetIdOf({ poolId: poolIdOf(2, 0), blockNo: 0, index: 0 }) }],
    ['a block that the pool does not have', { packetId: packetIdIn(32, 0) }],
    ['another sponsor', { sponsorNo: 1 }],
  ])('keeps a ticket for %s away from the lanes, whoever signed it', async (_what, lie) => {
    const { status, body } = await open({ ticket: signed('ticket', lie) });
    expect([status, body.code, seen]).toEqual([400, 'ticket_invalid', []]);
  });

  it.each([
    ['limit', 409, 'limit_reached'],
    ['sponsor_limit', 409, 'sponsor_limit_reached'],
    ['taken', 410, 'packet_gone'],
    ['expired', 410, 'ticket_expired'],
  ] as const)('says %s as %i %s, and again when asked again', async (denial, status, code) => {
    outcome = () => ({ outcome: denial });
    const ticket = signed('ticket', { packetId: freshPacketId() });
    for (const answer of [await open({ ticket }), await open({ ticket })]) {
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  });

  it('says pending to a dead letter, with a receipt of the acceptance', async () => {
    outcome = () => ({ outcome: 'dead' });
    const packetId = freshPacketId();
    const answer = await open({ ticket: signed('ticket', { packetId }) });
    expect(answer.status).toBe(202);
    expect(pendingPacketSchema.parse(answer.body).pollAfterMs).toBeGreaterThanOrEqual(500);
    const receipt = verifyClaim(testRing, 'receipt', answer.body.receipt)!;
    expect(receipt).toMatchObject({ packetId, userId: 'alice', epoch: 1 });
    expect(receipt.atMs).toBe(seen[0]!.acceptedAtMs);
  });

  it('honours a receipt after the ticket expired, with the time of its acceptance (invariant 6)', async () => {
    const packetId = freshPacketId();
    const acceptedAtMs = Date.now() - 5000;
    const ticket = signed('ticket', { packetId, atMs: Date.now() - 1000 });
    const receipt = signed('receipt', { packetId, atMs: acceptedAtMs });
    expect((await open({ ticket, receipt })).status).toBe(200);
    expect(seen).toMatchObject([{ packetId: String(packetId), acceptedAtMs }]);
  });

  it('asks the ledger about a ticket that is past: its outcome stays what it was, and one without any has expired (invariant 7)', async () => {
    const packetId = freshPacketId();
    const ticket = signed('ticket', { packetId, atMs: Date.now() - 5000 });
    const told = [
      ['limit', 409, 'limit_reached'],
      ['sponsor_limit', 409, 'sponsor_limit_reached'],
      ['taken', 410, 'packet_gone'],
      ...['open', 'unknown', 'expired'].map((status) => [status, 410, 'ticket_expired'] as const),
    ] as const;
    for (const [status, httpStatus, code] of told) {
      rig.allocation.answer((_request, response) => sendJson(response, 200, { status }));
      const answer = await open({ ticket });
      expect([answer.status, answer.body.code]).toEqual([httpStatus, code]);
    }
    expect(rig.allocation.seen.at(-1)!.path).toBe(`/internal/v1/packets/${packetId}?userId=alice&epoch=1`);
    expect(rig.allocation.seen.at(-1)!.headers.authorization).toBe('Bearer an internal token for tests');
    rig.allocation.answer((_request, response) => sendJson(response, 200, statusOf(packetId)));
    expect((await open({ ticket })).body).toMatchObject({ status: 'credited', amountFen: 66, share: { portions: 3 } });
    expect(seen).toEqual([]);
  });

  it('says pending to a ticket that is past while its open is a dead letter, with a receipt of that acceptance (invariant 6)', async () => {
    const packetId = freshPacketId();
    const acceptedAtMs = Date.now() - 7000;
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'pending', acceptedAtMs }));
    const answer = await open({ ticket: signed('ticket', { packetId, atMs: Date.now() - 5000 }) });
    expect(answer.status).toBe(202);
    const receipt = verifyClaim(testRing, 'receipt', pendingPacketSchema.parse(answer.body).receipt);
    expect(receipt).toMatchObject({ packetId, userId: 'alice', epoch: 1, atMs: acceptedAtMs });
    const status = await rig.call('GET', `/v1/packets/${packetId}?receipt=${answer.body.receipt}`, { token: alice });
    expect([status.status, status.body.receipt]).toEqual([202, answer.body.receipt]);
  });

  it('does not credit a ticket that lapsed because its user won the packet again and opened it then (invariant 7)', async () => {
    const packetId = freshPacketId();
    const lapsed = signed('ticket', { packetId, epoch: 1, atMs: Date.now() - 5000 });
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'expired' }));
    expect((await open({ ticket: lapsed })).body.code).toBe('ticket_expired');
    expect((await open({ ticket: signed('ticket', { packetId, epoch: 2 }) })).body.status).toBe('credited');
    expect((await open({ ticket: lapsed })).body.code).toBe('ticket_expired');
    const status = (query: string) => rig.call('GET', `/v1/packets/${packetId}${query}`, { token: alice });
    expect((await status('')).body.status).toBe('credited');
    expect((await status(`?receipt=${signed('receipt', { packetId, epoch: 2 })}`)).body.status).toBe('credited');
    expect((await status(`?receipt=${signed('receipt', { packetId, epoch: 1 })}`)).body.code).toBe('ticket_expired');
  });

  it('does not say expired while an open that was accepted in time may be on its way (invariant 6)', async () => {
    const packetId = freshPacketId();
    const atMs = Date.now() - 5000;
    const ticket = signed('ticket', { packetId, atMs });
    const { poolId, blockNo } = packetRefOf(packetId);
    const lane = openLane(laneOfBlock(poolId, blockNo, testEvent().openLaneCount));
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'open' }));
    await addOutstanding(rig.client, lane, 'job-on-its-way', atMs - 1);
    const early = await open({ ticket });
    expect([early.status, early.body.code]).toEqual([503, 'dependency_unavailable']);
    await removeOutstanding(rig.client, lane, ['job-on-its-way']);
    expect((await open({ ticket })).body.code).toBe('ticket_expired');
  });

  it('does not say expired of what only a receipt can tell, since the store was replaced (invariants 6 and 7)', async () => {
    const ticket = signed('ticket', { packetId: freshPacketId(), atMs: Date.now() - 5000 });
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'uncertain' }));
    const retired = await open({ ticket });
    expect([retired.status, retired.body.code]).toEqual([503, 'dependency_unavailable']);
    expect(Number(retired.headers.get('retry-after'))).toBeGreaterThanOrEqual(30);
    // the ledger does not know of it yet
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'open' }));
    await rig.client.set(keys.stamp, 'another server');
    const unstamped = await open({ ticket });
    expect([unstamped.status, unstamped.body.code]).toEqual([503, 'dependency_unavailable']);
    const { runId } = await readStore(rig.client);
    await resetStock(rig.client, { runId });
    expect((await open({ ticket })).body.code).toBe('ticket_expired');
  });

  it('never says expired of an event that is merely not known here, with or without a receipt (invariant 6)', async () => {
    const packetId = freshPacketId();
    const ticket = signed('ticket', { eventId: 77, packetId });
    const receipt = signed('receipt', { eventId: 77, packetId });
    for (const status of ['open', 'uncertain']) {
      rig.allocation.answer((_request, response) => sendJson(response, 200, { status }));
      for (const body of [{ ticket }, { ticket, receipt }]) {
        const answer = await open(body);
        expect([answer.status, answer.body.code]).toEqual([503, 'dependency_unavailable']);
        expect(answer.headers.get('retry-after')).toBe('1');
      }
    }
    rig.allocation.answer((_request, response) => sendJson(response, 200, { status: 'expired' }));
    expect((await open({ ticket, receipt })).body.code).toBe('ticket_expired');
  });

  it('says so when the ledger cannot be asked about a ticket that is past', async () => {
    rig.allocation.answer((_request, response) => sendJson(response, 500, {}));
    const answer = await open({ ticket: signed('ticket', { packetId: freshPacketId(), atMs: Date.now() - 5000 }) });
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'dependency_unavailable',
      '1',
    ]);
  });

  describe('with bad input', () => {
    const packetId = freshPacketId();
    const good = signed('ticket', { packetId });

    it.each([
      ['no JSON', { raw: 'nope' }, 400, 'bad_request'],
      ['no body', {}, 400, 'bad_request'],
      ['a wrong shape', { body: { ticket: 7 } }, 400, 'bad_request'],
      ['an unknown field', { body: { ticket: good, userId: 'bob' } }, 400, 'bad_request'],
      ['a long ticket', { body: { ticket: 'x'.repeat(3000) } }, 400, 'ticket_invalid'],
      ['over 4 KiB', { body: { ticket: 'x'.repeat(5000) } }, 413, 'too_large'],
      ['a garbled ticket', { body: { ticket: 'garbled' } }, 400, 'ticket_invalid'],
      ['a truncated ticket', { body: { ticket: good.slice(0, -4) } }, 400, 'ticket_invalid'],
      ['a forged ticket', { body: { ticket: `${good.slice(0, -8)}AAAAAAAA` } }, 400, 'ticket_invalid'],
      ['a share token as ticket', { body: { ticket: signed('share', { packetId }) } }, 400, 'ticket_invalid'],
      ['a forged receipt', { body: { ticket: good, receipt: 'garbled' } }, 400, 'ticket_invalid'],
      [
        'a receipt of another packet',
        { body: { ticket: good, receipt: signed('receipt', { packetId: 9n }) } },
        400,
        'ticket_invalid',
      ],
      [
        'a receipt of another epoch',
        { body: { ticket: good, receipt: signed('receipt', { packetId, epoch: 2 }) } },
        400,
        'ticket_invalid',
      ],
      [
        "another user's ticket",
        { body: { ticket: signed('ticket', { packetId, userId: 'bob' }) } },
        403,
        'ticket_not_yours',
      ],
      [
        "another user's receipt",
        { body: { ticket: good, receipt: signed('receipt', { packetId, userId: 'bob' }) } },
        403,
        'ticket_not_yours',
      ],
    ] as const)('%s', async (_what, options, status, code) => {
      const answer = await rig.call('POST', '/v1/packets/open', { token: alice, ...options });
      expect([answer.status, answer.body.code, answer.body.status]).toEqual([status, code, status]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(seen).toEqual([]);
    });

    it('no, a forged and an expired session', async () => {
      for (const headers of [
        {},
        { authorization: 'Bearer x.y.z' },
        { authorization: `Bearer ${alice.slice(0, -4)}AAAA` },
      ]) {
        const answer = await rig.call('POST', '/v1/packets/open', { body: { ticket: good }, headers });
        expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated']);
      }
    });
  });

  describe('and its status', () => {
    const statusPath = (packetId: bigint, receipt?: string): string =>
      `/v1/packets/${packetId}${receipt === undefined ? '' : `?receipt=${receipt}`}`;

    it('is what the ledger says, or pending from the receipt while nobody can say', async () => {
      const packetId = freshPacketId();
      const receipt = signed('receipt', { packetId, atMs: Date.now() - 100 });
      const ask = () => rig.call('GET', statusPath(packetId, receipt), { token: alice });
      const pending = await ask();
      expect([pending.status, pending.body.receipt]).toEqual([202, receipt]);
      await rig.allocation.stop();
      expect((await ask()).status).toBe(202);
      const without = await rig.call('GET', statusPath(packetId), { token: alice });
      expect([without.status, without.body.code]).toEqual([503, 'dependency_unavailable']);
      await rig.allocation.start();
      for (const [status, code] of [
        ['taken', 410],
        ['limit', 409],
        ['sponsor_limit', 409],
        ['expired', 410],
      ] as const) {
        rig.allocation.answer((_request, response) => sendJson(response, 200, { status }));
        expect((await ask()).status).toBe(code);
      }
      rig.allocation.answer((_request, response) => sendJson(response, 200, statusOf(packetId)));
      expect((await ask()).body).toMatchObject({ status: 'credited', amountFen: 66 });
      const asked = rig.allocation.seen.length;
      expect((await ask()).body).toMatchObject({ status: 'credited', amountFen: 66 });
      expect(rig.allocation.seen.length).toBe(asked);
    });

    it('tells nobody but the owner', async () => {
      const packetId = freshPacketId();
      await open({ ticket: signed('ticket', { packetId }) });
      const bob = await rig.session('bob');
      const other = await rig.call('GET', statusPath(packetId), { token: bob });
      expect([other.status, other.body.code]).toEqual([404, 'packet_unknown']);
      const receipt = signed('receipt', { packetId });
      expect((await rig.call('GET', statusPath(packetId, receipt), { token: bob })).body.code).toBe('ticket_not_yours');
      expect((await rig.call('GET', statusPath(packetId + 1n, receipt), { token: alice })).body.code).toBe(
        'ticket_invalid',
      );
      expect((await rig.call('GET', '/v1/packets/x', { token: alice })).body.code).toBe('bad_request');
      expect((await rig.call('GET', '/v1/packets/9999999999999999999', { token: alice })).body.code).toBe(
        'bad_request',
      );
      expect((await rig.call('GET', statusPath(packetId))).body.code).toBe('unauthenticated');
    });
  });
});

/** The ledger's word on a packet that was credited with 66 fen. */
const statusOf = (packetId: bigint) => ({
  status: 'credited',
  packetId: String(packetId),
  eventId: '1',
  sponsorNo: packetRefOf(packetId).poolId - poolIdOf(1, 0),
  sponsor: { id: 'sponsor-0', name: 'Sponsor 0' },
  epoch: 1,
  amountFen: 66,
  portions: 3,
  atMs: Date.now(),
});

describe('opening when nobody settles', () => {
  let rig: GatewayRig;
  beforeAll(async () => {
    rig = await GatewayRig.start({ OPEN_REPLY_WAIT_MS: '1500', OPENS_IN_FLIGHT_MAX: '3' });
    await rig.publish(testEvent());
  });
  afterAll(() => rig.stop());

  it('says pending once the open is durable, and refuses as overloaded what is more than may be in flight', async () => {
    const alice = await rig.session('alice');
    const open = () =>
      rig.call('POST', '/v1/packets/open', {
        token: alice,
        body: { ticket: signed('ticket', { packetId: freshPacketId() }) },
      });
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(open));
    const pending = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 503);
    expect([pending.length, refused.length]).toEqual([3, 3]);
    for (const { body, headers } of refused)
      expect([body.code, headers.get('retry-after')]).toEqual(['overloaded', '1']);
    expect((await rig.client.keys('{hb-open-*}:outstanding')).length).toBeGreaterThan(0);
    expect(rig.parts.openCounters.inFlight).toBe(0);
  });
});
