import { afterAll, beforeAll, expect, it } from 'vitest';
import { keys, readStore, resetStock, whenRedisReady } from '#libs/redis';
import { GatewayRig, until } from '../testing/gateway-rig.ts';
import { poolIdOf, signed, testBlock, testEvent } from '../testing/test-event.ts';

const acceptMaxMs = 400;

let rig: GatewayRig;
beforeAll(async () => {
  rig = await GatewayRig.start({ OPEN_ACCEPT_MAX_MS: String(acceptMaxMs), OPEN_REPLY_WAIT_MS: '0' });
});
afterAll(() => rig.stop());

const inHand = (): number => rig.parts.shakeEvents.find('1')?.stock.left ?? 0;

/**
 * Proves the row "Redis" of the failure table: shakes from what is in hand and then misses, opens 503 within their time, shares work;
 * and that a Redis that comes back as another server gives no blocks until its stock was built anew (invariant 10).
 */
it('shakes from hand and then misses, refuses opens, shares, and comes back', async () => {
  await rig.publish(testEvent({ perUserMax: 1 }));
  await rig.stock(testBlock(poolIdOf(1, 0), { size: 4 }));
  const users = await Promise.all(Array.from({ length: 12 }, (_, i) => rig.session(`user-${i}`)));
  await rig.shake(1, users[0]!);
  await until('stock in hand', inHand, (left) => left > 0);
  expect(await rig.call('GET', '/readyz')).toMatchObject({ status: 200, body: 'ok' });

  await rig.redis.kill();
  const isGone = (): Promise<boolean> =>
    rig.client.ping().then(
      () => false,
      () => true,
    );
  await until('Redis to be gone', isGone, (gone) => gone);
  const held = inHand();
  expect(held).toBeGreaterThan(0);
  const hits: string[] = [];
  for (const token of users) {
    const { status, body } = await rig.shake(1, token);
    expect(status).toBe(200);
    if (body.result === 'hit') hits.push(body.packetId);
  }
  const shakeMore = async () => {
    for (const token of users) {
      const { body } = await rig.shakeUntil(['hit', 'limit', 'miss', 'rest'], 1, token);
      if (body.result === 'hit') hits.push(body.packetId);
    }
    return inHand();
  };
  await until('an empty hand', shakeMore, (left) => left === 0);
  expect(new Set(hits).size).toBe(held);
  expect((await rig.shake(1, await tokenWithoutWin(users))).body.result).toBe('miss');

  const openOf = (userId: string, token: string) =>
    rig.call('POST', '/v1/packets/open', {
      token,
      body: { ticket: signed('ticket', { userId }) },
      timeoutMs: 10 * acceptMaxMs,
    });
  const opens = await Promise.all(['user-0', 'user-1'].map((userId, i) => openOf(userId, users[i]!)));
  for (const { status, body, headers } of opens)
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'queue_unavailable', '1']);
  const ticket = signed('ticket', { userId: 'user-0' });
  const path = `/v1/packets/${signedPacketId}/share`;
  expect((await rig.call('POST', path, { token: users[0]!, body: { ticket } })).status).toBe(201);
  expect((await rig.call('GET', '/v1/events/1')).body).toMatchObject({ id: '1', state: 'live' });
  expect((await rig.call('GET', '/readyz')).status).toBe(200);

  await rig.redis.restart();
  await whenRedisReady(rig.client, 10_000);
  const { runId, stamp } = await readStore(rig.client);
  expect(stamp).not.toBe(runId);
  // as a stale replica would have it: a block on the list that somebody may have taken before
  await rig.client.lpush(keys.stock(poolIdOf(1, 0)), JSON.stringify(testBlock(poolIdOf(1, 0))));
  const listed = await rig.client.llen(keys.stock(poolIdOf(1, 0)));
  const unlucky = await tokenWithoutWin(users);
  for (let shakes = 0; shakes < 10; shakes++) await rig.shakeUntil(['miss'], 1, unlucky);
  expect(await rig.client.llen(keys.stock(poolIdOf(1, 0)))).toBe(listed);
  await resetStock(rig.client, { runId });
  await rig.publish(testEvent({ perUserMax: 1 }));
  await rig.stock(testBlock(poolIdOf(1, 1), { size: 4 }));
  const late = await rig.session('late');
  expect((await rig.shakeUntil(['hit'], 1, late)).body.sponsor.id).toBe('sponsor-1');
}, 60_000);

const signedPacketId = String((BigInt(poolIdOf(1, 0)) << 39n) | 0n);

/** A user whose shakes are drawn: the ones who won are at their limit of one. */
async function tokenWithoutWin(users: readonly string[]): Promise<string> {
  for (const token of users) {
    const { body } = await rig.shake(1, token);
    if (body.result === 'miss') return token;
  }
  throw new Error('every user has won');
}
