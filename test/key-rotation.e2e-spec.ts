import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openScene, said } from './support/hostile-scene.ts';
import { decided, type HostileStage, rings, signed } from './support/hostile-stage.ts';
import { until } from './support/http.ts';

/* What old and new keys are worth while they are changed, on two gateways and everything behind them. */

let stage: HostileStage;
let eventId: string;
let bob: string;

beforeAll(async () => {
  ({ stage, eventId, bob } = await openScene());
});
afterAll(() => stage?.stop());

const untouched = (work: () => Promise<void>) => stage.untouched(eventId, work);
const statusOf = (id: string, token: string, receipt: string) =>
  stage.call('GET', `/v1/packets/${id}?receipt=${encodeURIComponent(receipt)}`, token);
const page = (token: string) => stage.call('GET', `/v1/shares/${token}`, bob);

/** Proves that keys are rotated in flight: the old one verifies while it is in the ring and not after, and no outcome is taken back. */
describe('key rotation', () => {
  const keyIdOf = (token: string): number => Buffer.from(token, 'base64url')[1]!;
  let heidi: string;
  let unopened: string[];
  let pending: { text: string; receipt: string; packetId: string };
  let early: { packetId: string; shareToken: string; amountFen: number; state: string };

  beforeAll(async () => {
    heidi = stage.session('heidi');
    const opened = await stage.opened(await stage.ticket(eventId, 'heidi'), heidi);
    const { body } = await stage.share(opened.body.packetId, heidi);
    early = { ...opened.body, shareToken: body.shareToken };
    expect((await decided(() => stage.grab(early.shareToken, bob))).body).toMatchObject({ portion: 1 });
    unopened = [await stage.ticket(eventId, 'heidi', 1), await stage.ticket(eventId, 'ivan', 1)];
    const text = await stage.ticket(eventId, 'heidi', 2);
    pending = { text, ...(await stage.pendingOpen(text, heidi)) };
    // accepted, and whoever would have settled it is gone
    await stage.stack.process('allocation').kill();
    await stage.rotate(rings.both);
  });

  it('honours all that the old key signed while it is in the ring, and signs with the new one', async () => {
    const receipted = await decided(() => statusOf(pending.packetId, heidi, pending.receipt));
    expect(receipted).toMatchObject({ status: 200, body: { status: 'credited', packetId: pending.packetId } });
    expect((await stage.opened(unopened[0]!, heidi, early.state)).status).toBe(200);
    const carol = stage.session('carol');
    expect((await decided(() => stage.grab(early.shareToken, carol))).body).toMatchObject({ portion: 2 });
    const { body } = await stage.share(early.packetId, heidi);
    expect([keyIdOf(early.shareToken), keyIdOf(body.shareToken)]).toEqual([1, 2]);
    // a portion was taken with a token of the old key: with one of the new key it is the same portion
    expect((await decided(() => stage.grab(body.shareToken, bob))).body).toMatchObject({
      status: 'credited',
      portion: 1,
    });
    await stage.balanced(eventId);
  });

  it('refuses what the old key signed once it is gone, and keeps every outcome', async () => {
    const wallet = async () => (await stage.call('GET', '/v1/me/wallet', heidi)).body.balanceFen;
    const before = await until('the wallet', wallet, (fen) => fen > 0);
    await stage.rotate(rings.new);
    await untouched(async () => {
      expect(said(await stage.open(unopened[1]!, stage.session('ivan')))).toEqual([400, 'ticket_invalid']);
      expect(said(await stage.open(pending.text, heidi))).toEqual([400, 'ticket_invalid']);
      expect(said(await statusOf(pending.packetId, heidi, pending.receipt))).toEqual([400, 'ticket_invalid']);
      expect(said(await page(early.shareToken))).toEqual([400, 'share_invalid']);
      expect(said(await stage.grab(early.shareToken, stage.session('judy')))).toEqual([400, 'share_invalid']);
      for (const { packetId: id } of [early, pending])
        expect((await decided(() => stage.call('GET', `/v1/packets/${id}`, heidi))).body.status).toBe('credited');
      expect((await stage.call('GET', '/v1/me/packets', heidi)).body.packets).toHaveLength(3);
      expect(await wallet()).toBe(before);
    });
    const fresh = signed(await stage.claim(eventId, 'ivan', 1), rings.new);
    expect((await stage.opened(fresh, stage.session('ivan'))).status).toBe(200);
    await stage.balanced(eventId);
  });
});
