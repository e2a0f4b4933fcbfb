import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimOf, forgeriesOf } from './support/hostile-claims.ts';
import { ledgerFigures } from './support/hostile-ledger.ts';
import { openScene, said } from './support/hostile-scene.ts';
import { signByHost, tamperedSessions } from './support/hostile-sessions.ts';
import { decided, type HostileStage, signed, sponsorCount } from './support/hostile-stage.ts';
import { until } from './support/http.ts';

/*
 * What hostile clients try, against two gateways and everything behind them. After each attempt the ledger is as if it had never been
 * made: every count and sum is what it was, and the event is balanced to the fen.
 */

let stage: HostileStage;
let eventId: string;
let otherEventId: string;
let alice: string;
let bob: string;
let ticket: string;
let packetId: string;
let amountFen: number;
let shareToken: string;

beforeAll(async () => {
  ({ stage, eventId, otherEventId, alice, bob, ticket, packetId, amountFen, shareToken } = await openScene());
});
afterAll(() => stage?.stop());

const untouched = (work: () => Promise<void>) => stage.untouched(eventId, work);
const statusOf = (id: string, token: string, receipt: string) =>
  stage.call('GET', `/v1/packets/${id}?receipt=${encodeURIComponent(receipt)}`, token);
const page = (token: string) => stage.call('GET', `/v1/shares/${token}`, bob);
const shake = (token: string, state?: string, id = eventId) =>
  stage.call('POST', `/v1/events/${id}/shake`, token, state === undefined ? {} : { state });

/** Proves that only what a gateway signed, for this purpose and this user, is a ticket. */
describe('tickets', () => {
  it('are refused when one bit, one byte, the key or the purpose is another', () =>
    untouched(async () => {
      const unopened = await stage.ticket(eventId, 'alice', 2);
      for (const [what, forged] of [...forgeriesOf('ticket', ticket), ...forgeriesOf('ticket', unopened)]) {
        expect(said(await stage.open(forged, alice)), what).toEqual([400, 'ticket_invalid']);
      }
      for (const [what, forged] of forgeriesOf('ticket', unopened)) {
        const { packetId: id } = claimOf('ticket', unopened);
        expect(said(await stage.share(String(id), alice, forged)), what).toEqual([400, 'ticket_invalid']);
      }
    }));

  it('of somebody else open nothing, show nothing and share nothing, whether opened or not', () =>
    untouched(async () => {
      const unopened = await stage.ticket(eventId, 'alice', 2);
      for (const stolen of [ticket, unopened]) {
        const id = String(claimOf('ticket', stolen).packetId);
        expect(said(await stage.open(stolen, bob))).toEqual([403, 'ticket_not_yours']);
        expect(said(await stage.share(id, bob, stolen))).toEqual([403, 'ticket_not_yours']);
        expect(said(await stage.share(id, bob))).toEqual([404, 'packet_unknown']);
        expect(said(await stage.call('GET', `/v1/packets/${id}`, bob))).toEqual([404, 'packet_unknown']);
      }
    }));

  it('that are replayed, on both gateways and from other sessions, give the first outcome and book nothing', () =>
    untouched(async () => {
      const again = await Promise.all(Array.from({ length: 40 }, () => stage.opened(ticket, stage.session('alice'))));
      for (const { status, body } of again)
        expect([status, body.packetId, body.amountFen]).toEqual([200, packetId, amountFen]);
    }));

  it('that a stolen key signed for what is not out, or not theirs, book nothing', () =>
    untouched(async () => {
      const good = await stage.claim(eventId, 'bob', 2);
      const { packetId: id, atMs } = good;
      const beside = (await stage.claim(otherEventId, 'bob', 2)).packetId;
      const lies = {
        'a block that was never stocked': { packetId: id + (1000n << 8n) },
        'an index beyond the block': { packetId: id | 255n },
        'a pool that does not exist': { packetId: (0xff_ffffn << 39n) | 1n },
        'no packet at all': { packetId: 0n },
        'the largest packet id': { packetId: (1n << 63n) - 1n },
        'a later epoch': { epoch: good.epoch + 1 },
        'the epoch before the first': { epoch: 0 },
        'the last epoch': { epoch: 32_767 },
        'another sponsor': { sponsorNo: 0 },
        'a sponsor that does not exist': { sponsorNo: 32_767 },
        'a packet of another event': { packetId: beside },
        'another event': { eventId: Number(otherEventId) },
        'the time before time': { atMs: 0 },
        "a packet that is Alice's": { packetId: BigInt(packetId), sponsorNo: 0, atMs },
      };
      for (const [what, lie] of Object.entries(lies)) {
        const { status, body } = await decided(() => stage.open(signed({ ...good, ...lie }), bob));
        expect([400, 410], `${what}: ${JSON.stringify(body)}`).toContain(status);
      }
      // an event that nobody knows may be one of tomorrow: its ticket is told to wait
      const tomorrow = await stage.open(signed({ ...good, eventId: 2 ** 31 - 1 }), bob);
      expect(said(tomorrow)).toEqual([503, 'dependency_unavailable']);
    }));

  it('are opened in time or not at all', () =>
    untouched(async () => {
      const past = signed({ ...(await stage.claim(eventId, 'bob', 2)), atMs: Date.now() - 2000 });
      expect(said(await decided(() => stage.open(past, bob)))).toEqual([410, 'ticket_expired']);
    }));
});

/** Proves that a receipt speaks for one open of one user, and only if it was given. */
describe('receipts', () => {
  it('are honoured for whom they were given, and for nobody and nothing else', async () => {
    const [mine, other] = [await stage.ticket(eventId, 'carol'), await stage.ticket(eventId, 'carol', 1)];
    const carol = stage.session('carol');
    const { grants } = await ledgerFigures(stage.db.pool);
    const { receipt, packetId: id, goOn } = await stage.pendingOpen(mine, carol);
    goOn();
    const figures = () => ledgerFigures(stage.db.pool);
    await until('the booking', figures, (now) => now.grants !== grants);
    await stage.untouched(eventId, async () => {
      for (const [what, forged] of forgeriesOf('receipt', receipt)) {
        expect(said(await stage.open(other, carol, { receipt: forged })), what).toEqual([400, 'ticket_invalid']);
        expect(said(await statusOf(id, carol, forged)), what).toEqual([400, 'ticket_invalid']);
      }
      expect(said(await stage.open(receipt, carol))).toEqual([400, 'ticket_invalid']);
      expect(said(await stage.open(other, carol, { receipt }))).toEqual([400, 'ticket_invalid']);
      expect(said(await statusOf(packetId, carol, receipt))).toEqual([400, 'ticket_invalid']);
      expect(said(await statusOf(id, bob, receipt))).toEqual([403, 'ticket_not_yours']);
      expect(said(await stage.open(mine, bob, { receipt }))).toEqual([403, 'ticket_not_yours']);
    });
    const honoured = await decided(() => stage.open(mine, carol, { receipt }));
    expect(honoured).toMatchObject({ status: 200, body: { status: 'credited', packetId: id } });
    await untouched(async () => {
      for (const answer of [await statusOf(id, carol, receipt), await stage.open(mine, carol, { receipt })])
        expect([answer.status, answer.body.amountFen]).toEqual([200, honoured.body.amountFen]);
    });
  });
});

/** Proves that a share token names one packet of one owner, and that no other text takes a portion of it. */
describe('share tokens', () => {
  it('are refused when forged, and so is every other kind of token', () =>
    untouched(async () => {
      for (const [what, forged] of forgeriesOf('share', shareToken)) {
        expect(said(await stage.grab(forged, bob)), what).toEqual([400, 'share_invalid']);
        expect(said(await page(forged)), what).toEqual([400, 'share_invalid']);
      }
    }));

  it('of a packet that its owner never opened wait, and take nothing', () =>
    untouched(async () => {
      const unopened = await stage.ticket(eventId, 'alice', 2);
      const id = String(claimOf('ticket', unopened).packetId);
      const early = (await stage.share(id, alice, unopened)).body.shareToken;
      for (let n = 0; n < 3; n += 1) expect((await stage.grab(early, bob)).body.status).toBe('pending');
      expect((await page(early)).body.taken).toBe(0);
    }));

  it('that a stolen key signed for another owner, event or packet take nothing', () =>
    untouched(async () => {
      const good = claimOf('share', shareToken);
      const lies = [
        { userId: 'bob' },
        { eventId: Number(otherEventId) },
        { epoch: good.epoch + 1, packetId: good.packetId + 1n, userId: 'bob' },
        { packetId: (0xff_ffffn << 39n) | 1n },
        { sponsorNo: 1 },
        { packetId: 0n },
        { atMs: Date.now() - 5000 },
      ];
      for (const lie of lies) {
        const token = signed({ ...good, ...lie });
        const { status, body } = await stage.grab(token, bob);
        const outcome = [status, body.code ?? body.status];
        expect(
          [
            [400, 'share_invalid'],
            [410, 'share_expired'],
            [202, 'pending'],
          ],
          JSON.stringify({ ...lie, packetId: undefined }),
        ).toContainEqual(outcome);
        expect((await page(token)).status).toBeLessThan(500);
      }
    }));
});

/** Proves that a client's state can only ever limit its own user, and that forgetting it wins nothing. */
describe('shake states', () => {
  let full: string;
  beforeAll(async () => {
    const dave = stage.session('dave');
    let state: string | undefined;
    for (let sponsorNo = 0; sponsorNo < sponsorCount; sponsorNo += 1) {
      const opened = await stage.opened(await stage.ticket(eventId, 'dave', sponsorNo), dave, state);
      expect(opened.status).toBe(200);
      ({ state } = opened.body);
    }
    full = state!;
  });

  it('say `limit` to their user, and nothing to anybody else or in another event', () =>
    untouched(async () => {
      expect((await shake(stage.session('dave'), full)).body.result).toBe('limit');
      const [erin, dave] = [stage.session('erin'), stage.session('dave')];
      for (const { body } of [await shake(erin, full), await shake(dave, full, otherEventId)])
        expect(['hit', 'miss', 'rest'], JSON.stringify(body)).toContain(body.result);
    }));

  it('that are tampered with are no states at all', () =>
    untouched(async () => {
      const bytes = Buffer.from(full, 'base64url');
      const flipped = Array.from(bytes, (_, i) => Buffer.from(bytes.map((byte, j) => (i === j ? byte ^ 4 : byte))));
      const cut = [1, 16, 32].map((n) => bytes.subarray(0, bytes.length - n));
      const texts = [...flipped, ...cut].map((one) => one.toString('base64url'));
      for (const state of [...texts, `${full}=`, ',,,', ticket, shareToken, `${full}.${full}`, 'x'.repeat(6000)]) {
        // a fresh user each time: nobody is remembered
        const { status, body } = await shake(stage.session('dave'), state, otherEventId);
        expect([status, ['hit', 'miss', 'rest'].includes(body.result)]).toEqual([200, true]);
      }
    }));

  it('that are thrown away win a ticket at most, and no packet', () =>
    untouched(async () => {
      const dave = stage.session('dave');
      for (let sponsorNo = 0; sponsorNo < sponsorCount; sponsorNo += 1) {
        const more = await stage.opened(await stage.ticket(eventId, 'dave', sponsorNo), dave);
        expect(more.status).toBe(409);
        expect(['limit_reached', 'sponsor_limit_reached']).toContain(more.body.code);
      }
    }));
});

/** Proves that a session is what the host application signed, for us and for now; the algorithm is never the token's choice. */
describe('sessions', () => {
  it('are refused wherever they are asked for when tampered with', () =>
    untouched(async () => {
      const unopened = await stage.ticket(eventId, 'alice', 2);
      for (const [what, token] of await tamperedSessions(stage.keys, 'alice')) {
        const answers = [
          await stage.open(unopened, token),
          await shake(token),
          await stage.grab(shareToken, token),
          await stage.share(packetId, token, ticket),
          await stage.call('GET', '/v1/me/wallet', token),
          await stage.call('GET', `/v1/packets/${packetId}`, token),
        ];
        expect(answers.map(said), what).toEqual(answers.map(() => [401, 'unauthenticated']));
      }
    }));

  it('are good by the secret and by the key, right after all that', async () => {
    for (const token of [stage.session('alice'), await signByHost(stage.keys, { sub: 'alice' })]) {
      const { status, body } = await stage.call('GET', `/v1/packets/${packetId}`, token);
      expect([status, body.amountFen]).toEqual([200, amountFen]);
    }
  });
});
