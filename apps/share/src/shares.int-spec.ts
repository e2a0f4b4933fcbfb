// Share pages and grabs over real PostgreSQL, Redis and lanes: every outcome of API.md, once and repeated.
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { grabAnswerSchema, sharePageSchema } from '#libs/contracts';
import { withFeature, withTier } from '#libs/degradation';
import { laneOfPacket, signClaim } from '#libs/domain';
import { addOutstanding, countOutstanding, grabLane, removeOutstanding } from '#libs/queue';
import { keys } from '#libs/redis';
import { eventually, firstEpoch, portions, ring, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
  share = await ShareService.start({
    REDIS_URL: stores.redis.url,
    DATABASE_URL: stores.database.url,
    SHARE_ID: 'share-test',
  });
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  await stores?.stop();
});

/** Asks until the copy of the page shows it. */
const pageWith = async (token: string, taken: number, user?: string) => {
  await eventually(async () => (await share.page(token, user)).body.taken).toBe(taken);
  return sharePageSchema.parse((await share.page(token, user)).body);
};
const credited = async (token: string, user: string) => {
  await eventually(async () => (await share.grab(token, user)).body.status).toBe('credited');
  const answer = await share.grab(token, user);
  expect(answer.status).toBe(200);
  return grabAnswerSchema.parse(answer.body) as { status: 'credited'; amountFen: number; portion: number };
};

/** The token with one character of its MAC exchanged: never the same one, and in the middle, where every bit counts. */
const forged = (token: string): string => {
  const at = token.length - 10;
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
};

describe('the door', () => {
  it('is closed to whoever has not the internal token', async () => {
    const token = world.shareToken(0, 'owner-0');
    const answers = [
      await share.call('GET', `/shares/${token}`, undefined, 'wrong'),
      await share.call('POST', `/shares/${token}/grab`, 'friend', ''),
      await share.call('GET', `/events/${world.event.id}/leaderboard`, undefined, 'wrong'),
      await share.call('GET', `/events/${world.event.id}/feed`, undefined, 'wrong'),
    ];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(4).fill([401, 'unauthenticated']));
  });

  it('tells that the service is ready', async () => {
    await eventually(async () => (await fetch(`${share.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${share.url}/livez`)).status).toBe(200);
  });

  it.each([
    ['garbage', () => 'garbage'],
    ['a truncated token', () => world.shareToken(0, 'owner-0').slice(0, -1)],
    ['a token with another character', () => forged(world.shareToken(0, 'owner-0'))],
    ['a token of another kind', () => signClaim(ring, { ...otherKind(), kind: 'ticket' })],
  ])('refuses %s', async (_name, tokenOf) => {
    const answers = [await share.page(tokenOf()), await share.grab(tokenOf(), 'friend')];
    expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(2).fill([400, 'share_invalid']));
  });

  it.each([
    ['no packet at all', { packetId: 0n }],
    ['another sponsor', { sponsorNo: 1 }],
  ])('keeps a grab of %s away from the lanes, whoever signed it', async (_what, lie) => {
    const token = signClaim(ring, { ...otherKind(), kind: 'share', ...lie });
    expect((await share.grab(token, 'friend')).body.code).toBe('share_invalid');
  });

  it('wants to know who grabs, by a valid name', async () => {
    const token = world.shareToken(0, 'owner-0');
    expect((await share.call('POST', `/shares/${token}/grab`)).body.code).toBe('unauthenticated');
    expect((await share.grab(token, '-no-user')).body.code).toBe('bad_request');
  });
});

const otherKind = () => ({
  eventId: world.event.id,
  packetId: world.packetId(0),
  epoch: firstEpoch,
  sponsorNo: 0,
  atMs: world.event.sharesEndAtMs,
  userId: 'owner-0',
});

describe('a share', () => {
  it('has a page before its packet is opened, and a grab waits for the owner', async () => {
    const token = world.shareToken(1, 'owner-1');
    expect(sharePageSchema.parse((await share.page(token)).body)).toEqual({
      sponsor: { id: 'sponsor-0', name: 'Sponsor 0' },
      portions,
      taken: 0,
      expiresAt: new Date(world.event.sharesEndAtMs).toISOString(),
      grabs: [],
    });
    const early = await share.grab(token, 'friend-a');
    expect([early.status, grabAnswerSchema.parse(early.body)]).toEqual([202, { status: 'pending', pollAfterMs: 1000 }]);
    await world.open(1, 'owner-1');
    expect((await credited(token, 'friend-a')).portion).toBe(1);
  });

  it('gives each friend one portion, the owner too, and then it is empty', async () => {
    const token = world.shareToken(2, 'owner-2');
    await world.open(2, 'owner-2');
    const users = ['friend-a', 'owner-2', 'friend-b'];
    const answers: Awaited<ReturnType<typeof credited>>[] = [];
    for (const user of users) answers.push(await credited(token, user));
    expect(answers.map(({ portion }) => portion)).toEqual([1, 2, 3]);
    expect(answers.map(({ amountFen }) => amountFen)).toEqual(world.portionsOf(2));
    const late = await share.grab(token, 'friend-c');
    expect([late.status, late.body]).toEqual([200, { status: 'empty' }]);
    expect((await share.grab(token, 'friend-c')).body).toEqual({ status: 'empty' });
  });

  it('gives the same outcome to who asks again, and books nothing twice', async () => {
    const token = world.shareToken(3, 'owner-3');
    await world.open(3, 'owner-3');
    const first = await credited(token, 'friend-a');
    const again = await Promise.all(Array.from({ length: 5 }, () => share.grab(token, 'friend-a')));
    expect(again.map(({ body }) => body)).toEqual(Array(5).fill(first));
    expect((await pageWith(token, 1, 'friend-a')).taken).toBe(1);
  });

  it('is fair to friends who come at the same instant: as many are credited as there are portions', async () => {
    const token = world.shareToken(4, 'owner-4');
    await world.open(4, 'owner-4');
    const users = Array.from({ length: 12 }, (_, no) => `crowd-${no}`);
    const answers = await Promise.all(users.map((user) => share.grab(token, user)));
    expect(answers.map(({ body }) => body.status).sort()).toEqual([
      ...Array(portions).fill('credited'),
      ...Array(users.length - portions).fill('empty'),
    ]);
    const amounts = answers.filter(({ body }) => body.status === 'credited').map(({ body }) => body.amountFen);
    expect(amounts.sort()).toEqual(world.portionsOf(4).sort());
  });

  it('lists grabs, shows what is yours, and names the luckiest only when nothing is left', async () => {
    const token = world.shareToken(5, 'owner-5');
    await world.open(5, 'owner-5');
    const first = await credited(token, 'friend-a');
    const page = await pageWith(token, 1, 'friend-a');
    expect(page.yours).toEqual({ amountFen: first.amountFen, portion: 1 });
    expect(page.grabs?.map(({ userId, luckiest }) => [userId, luckiest])).toEqual([['friend-a', false]]);
    expect((await share.page(token, 'friend-b')).body).not.toHaveProperty('yours');
    for (const user of ['friend-b', 'friend-c']) await credited(token, user);
    const { grabs, yours } = await pageWith(token, 3, 'friend-c');
    expect(yours?.portion).toBe(3);
    const mostFen = Math.max(...world.portionsOf(5));
    expect(grabs?.filter(({ luckiest }) => luckiest).map(({ amountFen }) => amountFen)).toEqual([mostFen]);
  });

  it('of a packet that went to somebody else has expired, and that stays so', async () => {
    const token = world.shareToken(6, 'lapsed');
    await world.open(6, 'winner');
    for (const answer of [
      await share.page(token),
      await share.grab(token, 'friend'),
      await share.grab(token, 'friend'),
    ])
      expect([answer.status, answer.body.code]).toEqual([410, 'share_expired']);
    expect((await credited(world.shareToken(6, 'winner'), 'friend')).portion).toBe(1);
  });

  it('of a ticket that lapsed has expired, although its owner won the packet again and shares that (invariant 7)', async () => {
    const again = firstEpoch + 1;
    const lapsed = world.shareToken(7, 'owner-7');
    const token = world.shareToken(7, 'owner-7', world.event.sharesEndAtMs, again);
    const sql =
      'UPDATE blocks SET epoch = $2 WHERE (pool_id, block_no) = ($1::bigint >> 39, ($1::bigint >> 8) & 2147483647)';
    await world.pool.query(sql, [world.packetId(7), again]);
    const grabs = async () => {
      const answers = await Promise.all(['friend-a', 'friend-e'].map((friend) => share.grab(lapsed, friend)));
      return answers.map(({ body }) => body.code);
    };
    const expired = ['share_expired', 'share_expired'];
    expect(await grabs()).toEqual(expired);
    await world.open(7, 'owner-7', again);
    for (const user of ['friend-a', 'friend-b', 'friend-c']) await credited(token, user);
    await pageWith(token, 3);
    expect(await grabs()).toEqual(expired);
    expect((await share.page(lapsed)).body.code).toBe('share_expired');
    // by a process that remembers nothing
    const other = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
    expect((await other.grab(lapsed, 'friend-a')).body.code).toBe('share_expired');
    await other.close();
    expect((await share.grab(token, 'friend-d')).body).toEqual({ status: 'empty' });
  });
});

describe('when shares have ended', () => {
  const ended = (no: number, owner: string) => world.shareToken(no, owner, Date.now() - 3000);

  it('the page is gone and nothing is given any more', async () => {
    await world.open(10, 'owner-10');
    const token = ended(10, 'owner-10');
    for (const answer of [await share.page(token), await share.grab(token, 'friend')])
      expect([answer.status, answer.body.code]).toEqual([410, 'share_expired']);
  });

  it('who was credited before still learns it, from another process too', async () => {
    await world.open(11, 'owner-11');
    const before = await credited(world.shareToken(11, 'owner-11'), 'friend');
    const other = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
    expect((await other.grab(ended(11, 'owner-11'), 'friend')).body).toEqual(before);
    await other.close();
  });

  it("a portion that was taken of another owner's share of the packet is none of this one's", async () => {
    await world.open(14, 'winner-14');
    await credited(world.shareToken(14, 'winner-14'), 'friend');
    const shares = [ended(14, 'lapsed-14'), world.shareToken(14, 'winner-14', Date.now() - 3000, firstEpoch + 1)];
    for (const token of shares) expect((await share.grab(token, 'friend')).body.code).toBe('share_expired');
    expect((await share.grab(ended(14, 'winner-14'), 'friend')).body.status).toBe('credited');
  });

  it('for a moment what was accepted last may still be on its way to the lane: nobody is refused yet', async () => {
    const token = world.shareToken(13, 'owner-13', Date.now() + 50);
    await eventually(async () => (await share.page(token)).status).toBe(410);
    const patient = await ShareService.start({
      REDIS_URL: stores.redis.url,
      DATABASE_URL: stores.database.url,
      GRAB_ACCEPT_MAX_MS: '10000',
    });
    expect((await patient.grab(token, 'friend')).status).toBe(202);
    await patient.close();
  });

  it('what was accepted before the end and is still in the lane is pending, not refused', async () => {
    await world.open(12, 'owner-12');
    const lane = grabLane(laneOfPacket(world.packetId(12), world.event.grabLaneCount));
    await addOutstanding(world.redis, lane, 'on-its-way', Date.now() - 5000);
    const token = ended(12, 'owner-12');
    expect((await share.grab(token, 'friend')).status).toBe(202);
    await removeOutstanding(world.redis, lane, ['on-its-way']);
    expect((await share.grab(token, 'friend')).status).toBe(410);
  });
});

describe('what yields', () => {
  const now = () => share.parts.features;
  const tier = (value: 0 | 1 | 2 | 3 | 4 | 5) =>
    now().accept(withTier(now().state(), { mode: 'pinned', tier: value }, Date.now()));
  const feature = (key: Parameters<typeof withFeature>[1], state: 'auto' | 'off') =>
    now().accept(withFeature(now().state(), key, { state }, Date.now()));

  it('tier 1: the list of grabs is left out and returns', async () => {
    const token = world.shareToken(20, 'owner-20');
    tier(1);
    expect((await share.page(token)).body).not.toHaveProperty('grabs');
    tier(0);
    expect((await share.page(token)).body).toHaveProperty('grabs');
  });

  it('tier 2: clients poll a third as often', async () => {
    tier(2);
    expect((await share.grab(world.shareToken(21, 'owner-21'), 'friend')).body.pollAfterMs).toBe(3000);
    tier(0);
  });

  it('tier 3: a grab is accepted and told later, and not refused', async () => {
    const token = world.shareToken(22, 'owner-22');
    await world.open(22, 'owner-22');
    tier(3);
    expect((await share.grab(token, 'friend')).status).toBe(202);
    await eventually(async () => (await share.grab(token, 'friend')).body.status).toBe('credited');
    tier(0);
  });

  it('tier 5: pages and grabs are off and return', async () => {
    const token = world.shareToken(23, 'owner-23');
    tier(5);
    for (const answer of [await share.page(token), await share.grab(token, 'friend')]) {
      expect([answer.status, answer.body.code]).toEqual([503, 'feature_off']);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    }
    tier(0);
    expect((await share.page(token)).status).toBe(200);
  });

  it('an operator switches pages and grabs one by one', async () => {
    const token = world.shareToken(24, 'owner-24');
    feature('share_pages', 'off');
    expect([(await share.page(token)).status, (await share.grab(token, 'friend')).status]).toEqual([503, 202]);
    feature('share_pages', 'auto');
    feature('grabs', 'off');
    expect([(await share.page(token)).status, (await share.grab(token, 'friend')).status]).toEqual([200, 503]);
    feature('grabs', 'auto');
  });
});

describe('while the lanes stand still', () => {
  it('who asks again after a reply that was lost is in the lane again', async () => {
    const token = world.shareToken(31, 'owner-31');
    await world.stopLanes();
    const quick = await ShareService.start({
      REDIS_URL: stores.redis.url,
      DATABASE_URL: stores.database.url,
      GRAB_REPLY_WAIT_MS: '10',
    });
    const lane = grabLane(laneOfPacket(world.packetId(31), world.event.grabLaneCount));
    expect((await quick.grab(token, 'friend')).status).toBe(202);
    // as if it were settled: no grant yet
    expect(await world.redis.zremrangebyrank(keys.outstanding(lane), 0, -1)).toBe(1);
    await world.redis.del(keys.job(lane, 'wait'));
    await world.open(31, 'owner-31');
    // the reply may be late; then it is lost
    await eventually(async () => {
      expect((await quick.grab(token, 'friend')).status).toBe(202);
      return countOutstanding(world.redis, lane);
    }).toBe(1);
    for (let n = 0; n < 3; n++) expect((await quick.grab(token, 'friend')).status).toBe(202);
    expect(await countOutstanding(world.redis, lane)).toBe(1);
    world.startLanes();
    await eventually(async () => (await quick.grab(token, 'friend')).body.status).toBe('credited');
    await quick.close();
  });

  it('who asks again waits for the same grab: one item in the lane, however often', async () => {
    const token = world.shareToken(30, 'owner-30');
    await world.open(30, 'owner-30');
    await world.stopLanes();
    const quick = await ShareService.start({
      REDIS_URL: stores.redis.url,
      DATABASE_URL: stores.database.url,
      GRAB_REPLY_WAIT_MS: '10',
    });
    for (let n = 0; n < 5; n++) expect((await quick.grab(token, 'friend')).status).toBe(202);
    world.startLanes();
    await eventually(async () => (await quick.grab(token, 'friend')).body.status).toBe('credited');
    const packetId = String(world.packetId(30));
    expect(world.settled.filter((item) => item.packetId === packetId)).toHaveLength(1);
    await quick.close();
  });
});
