// Tier 3 with lanes that are slow: no grab is refused, nobody's is in a lane twice, pages go on, and all is settled once when it is over.
import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import type { GrabItem } from '#libs/contracts';
import { withTier } from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { grabLane, type LaneJob } from '#libs/queue';
import { keys, writeDegradation } from '#libs/redis';
import type { ShareTimes } from './share-parts.ts';
import { type Call, eventually, portions, ShareService, ShareStores, ShareWorld } from './testing.ts';

/** Longer than any test: what the lanes hold they hold. */
const hourMs = 3_600_000;
const inFlightMax = 4;
/** As many grabs may wait beside those: ten for each of them. */
const parkedMax = 40;
/** So few come at once that what is under way pushes nobody away by itself. */
const atOnce = 2;
/** So soon it is looked whether a reply may still come. */
const replyTtlMs = 50;

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
});
afterAll(async () => {
  await world?.close();
  await stores?.stop();
});
afterEach(async () => {
  world.slowLanes(0);
  await share.close();
});

async function start(times: ShareTimes): Promise<void> {
  const env = {
    REDIS_URL: stores.redis.url,
    DATABASE_URL: stores.database.url,
    GRABS_IN_FLIGHT_MAX: String(inFlightMax),
    GRAB_REPLY_WAIT_MS: '10',
  };
  share = await ShareService.start(env, times);
  await tier(0);
}

async function tier(value: Tier): Promise<void> {
  const document = withTier(share.parts.features.state(), { mode: 'pinned', tier: value }, 1);
  await writeDegradation(world.redis, document);
  await eventually(() => share.parts.features.state().version).toBe(document.version);
}

interface Friend {
  readonly no: number;
  readonly token: string;
  readonly user: string;
}

/** Of packets that their owners opened, as many as each has portions. */
async function friendsOf(firstNo: number, packetCount: number): Promise<Friend[]> {
  const nos = Array.from({ length: packetCount }, (_, at) => firstNo + at);
  for (const no of nos) await world.open(no, `owner-${no}`);
  return nos.flatMap((no) =>
    Array.from({ length: portions }, (_, at) => ({
      no,
      token: world.shareToken(no, `owner-${no}`),
      user: `friend-${no}-${at}`,
    })),
  );
}

/** All of them grab, a few at once. */
async function grabAll(friends: readonly Friend[]): Promise<Call[]> {
  const answers: Call[] = [];
  for (let at = 0; at < friends.length; at += atOnce) {
    const some = friends.slice(at, at + atOnce).map(({ token, user }) => share.grab(token, user));
    answers.push(...(await Promise.all(some)));
  }
  return answers;
}

/** What the lanes hold, and what they settled: packet and user of each item. */
async function itemsInLanes(): Promise<string[]> {
  const lanes = Array.from({ length: world.event.grabLaneCount }, (_, no) => grabLane(no));
  const held = lanes.map(async (lane) => {
    const queue = new Queue<LaneJob<GrabItem>>(lane, {
      connection: world.redis,
      prefix: keys.lanePrefix(lane),
      skipMetasUpdate: true,
    });
    const jobs = await queue.getJobs(['wait', 'active', 'delayed']);
    await queue.close();
    return jobs.flatMap(({ data }) => data.items.map(nameOf));
  });
  return (await Promise.all(held)).flat().sort();
}
const nameOf = ({ packetId, userId }: Pick<GrabItem, 'packetId' | 'userId'>) => `${packetId} ${userId}`;
const namesOf = (friends: readonly Friend[]) =>
  friends.map(({ no, user }) => nameOf({ packetId: String(world.packetId(no)), userId: user })).sort();
const settledOf = (friends: readonly Friend[]) => {
  const names = new Set(namesOf(friends));
  return world.settled.map(nameOf).filter((name) => names.has(name));
};

/** How often Redis was asked what is outstanding. */
async function looksCount(): Promise<number> {
  const [, calls = '0'] = /cmdstat_zmscore:calls=(\d+)/.exec(await world.redis.info('commandstats')) ?? [];
  return Number(calls);
}

async function allCredited(friends: readonly Friend[]): Promise<void> {
  await eventually(async () =>
    (await grabAll(friends)).filter(({ body }) => body.status !== 'credited').map(({ body }) => body),
  ).toEqual([]);
}

const pendingAll = (friends: readonly Friend[]) => friends.map(() => [202, 'pending']);
const shown = (answers: readonly Call[]) => answers.map(({ status, body }) => [status, body.code ?? body.status]);

it('accepts more grabs than may be under way, keeps each once however often its friend asks, and serves pages', async () => {
  await start({ replyTtlMs });
  const friends = await friendsOf(0, 12);
  expect(friends.length).toBeGreaterThan(2 * inFlightMax);
  world.slowLanes(hourMs);
  await tier(3);
  const steps = vi.spyOn(share.parts.admission.local, 'step');
  expect(shown(await grabAll(friends))).toEqual(pendingAll(friends));
  // long past the time for which replies are expected without a look
  const looks = await looksCount();
  await eventually(looksCount).toBeGreaterThan(looks + 10);
  expect(shown(await grabAll(friends))).toEqual(pendingAll(friends));
  expect(await itemsInLanes()).toEqual(namesOf(friends));
  expect([share.parts.grabs.inFlight(), share.parts.grabs.parked()]).toEqual([0, friends.length]);
  await eventually(() => steps.mock.calls.length).toBeGreaterThan(10);
  expect(Math.max(...steps.mock.calls.map(([{ inFlightShare }]) => inFlightShare))).toBeLessThanOrEqual(
    atOnce / inFlightMax,
  );
  expect(share.parts.admission.local.level).toBe(0);
  expect((await share.page(friends[0]!.token)).status).toBe(200);
  world.slowLanes(0);
  await tier(0);
  await allCredited(friends);
  expect(settledOf(friends).sort()).toEqual(namesOf(friends));
  await eventually(() => share.parts.grabs.parked()).toBe(0);
});

it('goes on with what waits when grabs are at full speed again, and brings the outcomes to who waits', async () => {
  await start({ replyTtlMs });
  const friends = await friendsOf(20, 4);
  world.slowLanes(hourMs);
  await tier(3);
  expect(shown(await grabAll(friends))).toEqual(pendingAll(friends));
  await tier(0);
  // the lanes stand still, though nothing is put off any more: still nobody is sent to them again
  expect(shown(await grabAll(friends))).toEqual(pendingAll(friends));
  expect(await itemsInLanes()).toEqual(namesOf(friends));
  world.slowLanes(0);
  await allCredited(friends);
  expect(settledOf(friends).sort()).toEqual(namesOf(friends));
});

it('keeps each grab once while lanes stand still at tier 0', async () => {
  await start({ replyTtlMs, grabAwaitedMaxMs: 20 });
  const friends = await friendsOf(30, 4);
  world.slowLanes(hourMs);
  for (const friend of friends) {
    expect(shown([await share.grab(friend.token, friend.user)])).toEqual([[202, 'pending']]);
    await eventually(() => share.parts.grabs.inFlight()).toBe(0);
  }
  const looks = await looksCount();
  await eventually(looksCount).toBeGreaterThan(looks + 10);
  expect(shown(await grabAll(friends))).toEqual(pendingAll(friends));
  expect(await itemsInLanes()).toEqual(namesOf(friends));
  world.slowLanes(0);
  await allCredited(friends);
  expect(settledOf(friends).sort()).toEqual(namesOf(friends));
});

it('refuses only what is more than may wait, and takes it when there is room', async () => {
  await start({ replyTtlMs });
  const friends = await friendsOf(40, 15);
  const [first, rest] = [friends.slice(0, parkedMax), friends.slice(parkedMax)];
  world.slowLanes(hourMs);
  await tier(3);
  expect(shown(await grabAll(first))).toEqual(pendingAll(first));
  expect(shown(await grabAll(rest))).toEqual(rest.map(() => [503, 'overloaded']));
  expect(shown(await grabAll(first))).toEqual(pendingAll(first));
  expect(await itemsInLanes()).toEqual(namesOf(first));
  world.slowLanes(0);
  await allCredited(friends);
  expect(settledOf(friends).sort()).toEqual(namesOf(friends));
});
