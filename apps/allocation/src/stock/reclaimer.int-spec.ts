// Reclaim when Redis loses the outstanding indexes after the tick has looked at its stamp (invariants 3, 10).
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { EventRecord, PoolClient } from '#libs/database';
import { addOutstanding, openLane } from '#libs/queue';
import { keys, type RedisClient } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import { Reclaimer } from './reclaimer.ts';
import { StoreWatch } from './store-watch.ts';

const wait = { timeout: 30_000, interval: 50 };
const lanes = { openLaneCount: 4, grabLaneCount: 2 };
const blockCount = 64;
let rig: AllocationRig;
let cache: RedisClient;
let client: PoolClient;
let event: EventRecord;
let watch: StoreWatch;
let reclaimer: Reclaimer;
beforeAll(async () => {
  rig = await AllocationRig.create();
  const plan = planOf({ lastsMs: 3_600_000, sponsors: 1, event: { blockLifeMs: 60_000 } });
  const { id } = await rig.arm(plan);
  await vi.waitUntil(async () => (await states())['out'] === blockCount, wait);
  await vi.waitUntil(async () => (await rig.record(id)).state === 'live', wait);
  event = await rig.record(id);
  // from here on the ticks are those of the tests
  await rig.allocation.parts.stockLoop.stop();
  cache = rig.gateway.cache;
  client = await rig.pool.connect();
  const { logger, metrics } = rig.allocation.parts.resources;
  watch = new StoreWatch(cache, logger, metrics);
  reclaimer = new Reclaimer({ cache, logger, metrics, ...lanes });
});
afterAll(async () => {
  client?.release();
  await rig?.close();
});
beforeEach(async () => {
  await cache.flushall();
  await watch.check(client);
  await rig.pool.query("UPDATE blocks SET state = 'out'");
});

async function states(): Promise<Record<string, number>> {
  const sql = 'SELECT state, count(*)::int AS count FROM blocks GROUP BY state';
  const { rows } = await rig.pool.query<{ state: string; count: number }>(sql);
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
}

/** What a tick does, with something in between, when the time of all blocks is past. */
async function reclaimAfter(between: () => Promise<unknown>): Promise<number> {
  const stamp = (await watch.check(client))!;
  await between();
  return (await reclaimer.reclaim({ client, nowMs: event.endsAtMs - 1, stamp }, event)).length;
}

it('reclaims what is past in a store that is still the same', async () => {
  expect(await reclaimAfter(async () => undefined)).toBe(blockCount);
  expect(await states()).toEqual({ reclaimed: blockCount });
});

it.each([
  ['emptied', undefined],
  ['replaced by one with an older state', 'run id of another server'],
])('takes no lane for quiet in a store that was %s within the tick; the next tick retires', async (_, stampAfter) => {
  for (let no = 0; no < lanes.openLaneCount; no++) {
    await addOutstanding(cache, openLane(no), 'accepted', event.startsAtMs);
  }
  expect(await reclaimAfter(async () => undefined)).toBe(0);
  const lose = async () => {
    await cache.flushall();
    if (stampAfter !== undefined) await cache.set(keys.stamp, stampAfter);
  };
  expect(await reclaimAfter(lose)).toBe(0);
  expect(await states()).toEqual({ out: blockCount });
  await watch.check(client);
  expect(await states()).toEqual({ retired: blockCount });
});
