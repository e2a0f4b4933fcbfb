// How long grabs take is told by those that their lanes answered: not by those from memory, nor by those that wait on purpose.
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { GrabAnswer } from '#libs/contracts';
import { withTier } from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { writeDegradation } from '#libs/redis';
import { Grabs } from './grabs.service.ts';
import { RecentOutcomes } from './recent-outcomes.ts';
import { shareClaimOf } from './share-claim.ts';
import { eventually, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;
let grabs: Grabs;
/** The clock moves on by this each time that it is looked at, and stands still otherwise. */
const lookMs = 700;
let nowMs = 0;
/** What was told. */
let tookMs: number[] = [];
let packets = 0;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
  share = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
  const { parts } = share;
  grabs = new Grabs({
    ...parts,
    cache: parts.redis.cache,
    clock: parts.redis.clock,
    outcomes: new RecentOutcomes(100),
    limits: { acceptMaxMs: 5000, replyWaitMs: 20_000, inFlightMax: 100, parkedMax: 100 },
    counter: parts.metrics.grabs,
    replyTimes: { add: (ms) => tookMs.push(ms) },
    monotonicMs: () => {
      nowMs += lookMs;
      return nowMs;
    },
  });
});
beforeEach(() => {
  tookMs = [];
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  await stores?.stop();
});

async function opened(): Promise<number> {
  packets += 1;
  await world.open(packets, `owner-${packets}`);
  return packets;
}

async function grab(no: number): Promise<GrabAnswer['status']> {
  const claim = shareClaimOf(share.parts.keyRing, world.shareToken(no, `owner-${no}`));
  return (await grabs.grab(claim, 'friend')).status;
}

async function tier(value: Tier): Promise<void> {
  const document = withTier(share.parts.features.state(), { mode: 'pinned', tier: value }, 1);
  await writeDegradation(world.redis, document);
  await eventually(() => share.parts.features.tier()).toBe(value);
}

it('a grab that its lane answered is counted, the answer from memory is not', async () => {
  const no = await opened();
  await eventually(() => grab(no)).toBe('credited');
  expect(tookMs).toEqual([lookMs]);
  expect(await grab(no)).toBe('credited');
  expect(tookMs).toEqual([lookMs]);
});

it('who asks again for a grab under way counts the time since it came first', async () => {
  await eventually(async () => {
    tookMs = [];
    const no = await opened();
    return await Promise.all([grab(no), grab(no)]);
  }).toEqual(['credited', 'credited']);
  expect(tookMs).toEqual([lookMs, 2 * lookMs]);
});

it('a grab that was put off on purpose is not counted, whenever its outcome comes', async () => {
  const no = await opened();
  await tier(3);
  expect(await grab(no)).toBe('pending');
  await tier(0);
  await eventually(() => grab(no)).toBe('credited');
  expect(tookMs).toEqual([]);
});
