import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HongbaoClient } from '#libs/client';
import { call, until } from './support/http.ts';
import { Night } from './support/night.ts';
import { smallPlan } from './support/plans.ts';

/** Proves that shakes and money run apart behind addresses of their own, and that a phone which knows one of them finds its way. */
describe('a split system', () => {
  let night: Night;
  let eventId: string;

  beforeAll(async () => {
    night = await Night.start({ split: true, env: { OPEN_REPLY_WAIT_MS: '5000', GRAB_REPLY_WAIT_MS: '5000' } });
    eventId = await night.liveEvent(
      smallPlan({ packetsPerSponsor: 500, sponsors: 2, durationMs: 60_000, ticketTtlMs: 20_000, sharePortions: 3 }),
    );
  });
  afterAll(() => night.stop());

  /** A phone that keeps a list of where it went. */
  function phone(options: { token?: string } = {}): { client: HongbaoClient; asked: Set<string> } {
    const asked = new Set<string>();
    const client = new HongbaoClient({
      baseUrl: night.stack.gatewayUrl,
      fetch: (url, init) => {
        const { origin, pathname } = new URL(url);
        asked.add(`${origin === night.stack.moneyUrl ? 'money' : 'shake'} ${pathname.split('/').at(-1)}`);
        return globalThis.fetch(url, init);
      },
      ...options,
    });
    return { client, asked };
  }

  async function winOf(client: HongbaoClient): Promise<{ ticket: string; packetId: string }> {
    const stop = new AbortController();
    return await new Promise((resolve, reject) => {
      const onHit = (hit: { ticket: string; packetId: string }): void => {
        resolve(hit);
        stop.abort();
      };
      client.shakeLoop(eventId, { onHit, signal: stop.signal }).catch(reject);
    });
  }

  it('has a process for each role, and each names both addresses', async () => {
    const { gatewayUrl, moneyUrl } = night.stack;
    expect(moneyUrl).not.toBe(gatewayUrl);
    expect(night.stack.process('gateway-0').pid).not.toBe(night.stack.process('gateway-money').pid);
    for (const url of [gatewayUrl, moneyUrl]) {
      const { body } = await call('GET', `${url}/v1/events/${eventId}`);
      expect(body.endpoints).toEqual({ shake: gatewayUrl, money: moneyUrl });
    }
  });

  it('takes a phone from shake to open, and a friend to the share', async () => {
    const alice = phone();
    const hit = await winOf(alice.client);
    const opened = await alice.client.open(hit.ticket);
    expect(opened).toMatchObject({ outcome: 'credited', packet: { packetId: hit.packetId, eventId } });
    const shared = await alice.client.share(hit.packetId, hit.ticket);
    if (shared.outcome !== 'shared') throw new Error(`not shared: ${shared.outcome}`);
    expect(new URL(shared.share.url).origin).toBe(night.stack.moneyUrl);
    expect([...alice.asked].sort()).toEqual([
      'money open',
      'money share',
      `shake ${eventId}`,
      'shake sessions',
      'shake shake',
    ]);

    // the friend has read no event: the first refusal says where shares are
    const friend = phone();
    expect(await friend.client.grab(shared.share.shareToken)).toMatchObject({ outcome: 'credited', portion: 1 });
    expect([...friend.asked].sort()).toEqual(['money grab', 'shake grab', 'shake sessions']);
  });

  it('opens and shares on while the process of the shakes is gone', async () => {
    const { client } = phone({ token: await night.session('carol') });
    const hit = await winOf(client);
    await night.stack.process('gateway-0').kill();
    expect(await client.open(hit.ticket)).toMatchObject({ outcome: 'credited' });
    expect(await client.share(hit.packetId, hit.ticket)).toMatchObject({ outcome: 'shared' });
    await night.stack.process('gateway-0').ready();
    expect((await client.event(eventId)).state).toBe('live');
  });

  it('is balanced to the fen', async () => {
    const proof = await until(
      'the bookings',
      async () => (await night.ops('GET', `/events/${eventId}/reconciliation`)).body,
      ({ packets, grabbedFen }) => packets.granted === 2 && grabbedFen > 0,
    );
    expect(proof).toMatchObject({ balanced: true, violations: [] });
  });
});
