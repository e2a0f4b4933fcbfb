import { describe, expect, it, onTestFinished } from 'vitest';
import type { OpenOutcome } from '#libs/contracts';
import { freePort } from '#libs/localservers';
import { keys, listGatewaySamples, type RedisClient } from '#libs/redis';
import { GatewayRig, until } from './testing/gateway-rig.ts';
import { poolIdOf, signed, testBlock, testEvent } from './testing/test-event.ts';

/*
 * One program, three roles. What a role does not serve it does not carry along either, and its refusals say who does.
 */

type Role = 'all' | 'shake' | 'money';
const ports = { SHAKE_PORT: '4000', MONEY_PORT: '4001' };
const endpoints = { shake: 'http://127.0.0.1:4000', money: 'http://127.0.0.1:4001' };
const openReply: OpenOutcome = { outcome: 'credited', amountFen: 88 };

async function rigOf(role: Role, env: Record<string, string> = {}): Promise<GatewayRig> {
  const rig = await GatewayRig.start({ GATEWAY_ROLE: role, OPEN_REPLY_WAIT_MS: '5000', ...ports, ...env });
  onTestFinished(() => rig.stop());
  return rig;
}

async function connectionNames(client: RedisClient): Promise<string[]> {
  const list = (await client.client('LIST')) as string;
  return [...list.matchAll(/ name=(gateway-test\S*)/g)].map((match) => match[1]!).sort();
}

const replyChannel = keys.reply('gateway-test');
const hearsReplies = async ({ client }: GatewayRig): Promise<boolean> =>
  ((await client.pubsub('CHANNELS', replyChannel)) as string[]).length > 0;
const latestSample = ({ client }: GatewayRig) =>
  until(
    'a sample',
    async () => (await listGatewaySamples(client))[0]?.sample as { role: Role; events: { id: string }[] } | undefined,
    (sample) => sample !== undefined,
  );

describe('a gateway for shakes', () => {
  it('wins from stock, writes to no lane and hears no replies', async () => {
    const rig = await rigOf('shake');
    await rig.publish(testEvent());
    await rig.stock(testBlock(poolIdOf(1, 0)));
    const { body } = await rig.shakeUntil(['hit'], 1, await rig.session('alice'));
    expect(body).toMatchObject({ result: 'hit', sponsor: { id: 'sponsor-0' } });
    expect(await connectionNames(rig.client)).toEqual(['gateway-test.cache', 'gateway-test.subscriber']);
    expect(await hearsReplies(rig)).toBe(false);
  });

  it('says where each route of money is served, and knows nothing of routes that nobody serves', async () => {
    const rig = await rigOf('shake');
    for (const [method, path] of [
      ['POST', '/v1/packets/open'],
      ['GET', '/v1/packets/5?receipt=r'],
      ['POST', '/v1/packets/5/share'],
      ['GET', '/v1/me/wallet'],
      ['POST', '/v1/shares/token/grab'],
      ['GET', '/v1/events/1/leaderboard'],
    ] as const) {
      const answer = await rig.call(method, path, { token: 'whatever' });
      expect([answer.status, answer.body.code, answer.body.endpoints]).toEqual([404, 'not_found', endpoints]);
    }
    for (const [method, path] of [
      ['GET', '/nowhere'],
      ['GET', '/v1/packets/open/more'],
      ['PUT', '/v1/packets/open'],
    ] as const) {
      const answer = await rig.call(method, path);
      expect([answer.status, answer.body.code, 'endpoints' in answer.body]).toEqual([404, 'not_found', false]);
    }
  });
});

describe('a gateway for money', () => {
  it('opens and shares, takes no stock, and says where shakes go', async () => {
    const rig = await rigOf('money');
    await rig.publish(testEvent());
    await rig.stock(testBlock(poolIdOf(1, 0)));
    rig.consume([0, 1], (items) => Promise.resolve(items.map(() => openReply)));
    const alice = await rig.session('alice');
    const ticket = signed('ticket');
    const opened = await rig.call('POST', '/v1/packets/open', { token: alice, body: { ticket } });
    expect(opened.body).toMatchObject({ status: 'credited', amountFen: 88 });
    const share = await rig.call('POST', `/v1/packets/${opened.body.packetId}/share`, {
      token: alice,
      body: { ticket },
    });
    expect(share.body.url).toMatch(/^http:\/\/127\.0\.0\.1:4001\/play\?share=/);
    const shake = await rig.shake(1, alice);
    expect([shake.status, shake.body.code, shake.body.endpoints]).toEqual([404, 'not_found', endpoints]);
    // it keeps no draw of any event, so there is nothing that could take stock
    expect(await latestSample(rig)).toMatchObject({ role: 'money', events: [] });
    expect(await rig.client.llen(keys.stock(poolIdOf(1, 0)))).toBe(1);
  });
});

describe('every role', () => {
  it.each(['all', 'shake', 'money'] as const)('%s names both addresses in its events', async (role) => {
    const rig = await rigOf(role);
    await rig.publish(testEvent());
    const [event] = (await rig.call('GET', '/v1/events')).body.events;
    expect(event.endpoints).toEqual(endpoints);
    expect((await rig.call('GET', '/v1/events/1')).body.endpoints).toEqual(endpoints);
  });

  it.each([
    ['all', 'not ready: redis, its clock and its events, the replies of the lanes'],
    ['shake', 'not ready: redis, its clock and its events'],
    ['money', 'not ready: redis, its clock and its events, the replies of the lanes'],
  ] as const)('%s is ready when what it needs was there, and says what was not', async (role, missing) => {
    const REDIS_URL = `redis://127.0.0.1:${await freePort()}`;
    const without = await rigOf(role, { REDIS_URL });
    expect(await without.call('GET', '/readyz')).toMatchObject({ status: 503, body: missing });
    const rig = await rigOf(role);
    await until(
      'readiness',
      () => rig.call('GET', '/readyz'),
      ({ status, body }) => status === 200 && body === 'ok',
    );
  });
});
