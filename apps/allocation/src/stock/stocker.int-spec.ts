// The stocker over many pools: few transactions, faults that stay with their pool, and what came back in good measure.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EventPlanInput } from '#libs/contracts';
import { countReclaimed, type EventRecord, moveEvent, type PoolClient, stockBlocks } from '#libs/database';
import { exchangeStock, keys, readStamp } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import { Stocker, type StockTick } from './stocker.ts';

const leadMs = 2000;
/** The tests' ticks are not at the time that the store has. */
const longLife = { blockLifeMs: 600_000 };
let rig: AllocationRig;
let client: PoolClient;
beforeAll(async () => {
  rig = await AllocationRig.create();
  await vi.waitUntil(() => readStamp(rig.gateway.cache), { timeout: 30_000, interval: 50 });
  // from here on the ticks are those of the tests
  await rig.allocation.parts.stockLoop.stop();
  client = await rig.pool.connect();
});
afterAll(async () => {
  client?.release();
  await rig?.close();
});

async function liveEvent(plan: EventPlanInput): Promise<EventRecord> {
  const { id, startsAtMs } = await rig.arm(plan);
  await moveEvent(client, { eventId: id, from: 'armed', to: 'live', atMs: startsAtMs });
  return rig.record(id);
}

async function tickOf(nowMs: number, on: PoolClient = client): Promise<StockTick> {
  const stamp = await readStamp(rig.gateway.cache);
  if (stamp === undefined) throw new Error('the store has no stamp');
  return { client: on, nowMs, stamp };
}

function newStocker(): Stocker {
  const { logger, metrics } = rig.allocation.parts.resources;
  return new Stocker({ cache: rig.gateway.cache, logger, metrics, leadMs });
}

/** A view of the connection that counts the transactions it commits. */
function counting(): { view: PoolClient; commits: () => number } {
  let commits = 0;
  const query = (text: string, values?: unknown[]) => {
    if (text === 'COMMIT') commits += 1;
    return client.query(text, values);
  };
  return { view: Object.create(client, { query: { value: query } }) as PoolClient, commits: () => commits };
}

async function listed(event: EventRecord): Promise<number[]> {
  const poolIds = event.pools.map(({ poolId }) => poolId);
  const lists = await exchangeStock(rig.gateway.cache, { wanted: [], poolIds });
  return lists.status === 'ok' ? [...lists.listed.values()] : [];
}

const failures = async (): Promise<number> =>
  (await rig.allocation.parts.resources.metrics.stockFailures.get()).values.find(({ labels }) => labels.step === 'pool')
    ?.value ?? 0;

describe('a thousand pools that start in one second', () => {
  it('are stocked in one tick, in a few transactions, each along its curve', async () => {
    const pool = { packetCount: 600, budgetFen: 60_000, releaseCurve: 'even' as const };
    const event = await liveEvent(planOf({ lastsMs: 60_000, sponsors: 1000, event: longLife, pool }));
    const { view, commits } = counting();
    const tick = await tickOf(event.startsAtMs + 1000, view);
    expect(await newStocker().stock(tick, event)).toBe('pushed');
    // 30 packets are due by then, of 10 a second: four blocks of 8
    expect(await listed(event)).toEqual(new Array(1000).fill(32));
    expect(commits()).toBeLessThanOrEqual(4);
    const { rows } = await rig.pool.query('SELECT DISTINCT next_block FROM pools WHERE event_id = $1', [event.id]);
    expect(rows).toEqual([{ next_block: 4 }]);
  });
});

describe('pools with a fault', () => {
  it('are found among the sound ones, which all get their stock, and go alone from then on', async () => {
    const pool = { packetCount: 6000, budgetFen: 600_000, releaseCurve: 'even' as const };
    const event = await liveEvent(planOf({ lastsMs: 60_000, sponsors: 64, event: longLife, pool }));
    const faulty = [7, 8, 50].map((i) => event.pools[i]!.poolId);
    const stocker = newStocker();
    const expected = (blocks: number) =>
      event.pools.map((one) => (faulty.includes(one.poolId) ? 0 : blocks * one.blockSize));
    const before = await failures();
    await rig.pool.query(`ALTER TABLE blocks ADD CONSTRAINT fault CHECK (pool_id NOT IN (${faulty.join()})) NOT VALID`);
    try {
      expect(await stocker.stock(await tickOf(event.startsAtMs), event)).toBe('pushed');
      const { blockSize } = event.pools[0]!;
      const dueAt = (ms: number) => Math.ceil(ms / 10 / blockSize);
      expect(await listed(event)).toEqual(expected(dueAt(2000)));
      expect((await failures()) - before).toBe(3);
      const { view, commits } = counting();
      expect(await stocker.stock(await tickOf(event.startsAtMs + 1000, view), event)).toBe('pushed');
      expect(await listed(event)).toEqual(expected(dueAt(3000)));
      expect((await failures()) - before).toBe(6);
      expect(commits()).toBe(1);
    } finally {
      await rig.pool.query('ALTER TABLE blocks DROP CONSTRAINT fault');
    }
    const { view, commits } = counting();
    await stocker.stock(await tickOf(event.startsAtMs + 2000, view), event);
    expect(new Set(await listed(event)).size).toBe(1);
    expect(commits()).toBe(4);
    const last = counting();
    await stocker.stock(await tickOf(event.startsAtMs + 3000, last.view), event);
    expect(last.commits()).toBe(1);
  });

  it('with a list of another kind lose what was committed for them, to time, and no other pool its stock for long', async () => {
    const pool = { packetCount: 6000, budgetFen: 600_000, releaseCurve: 'even' as const };
    const event = await liveEvent(planOf({ lastsMs: 60_000, sponsors: 3, event: longLife, pool }));
    const { cache } = rig.gateway;
    const bad = event.pools[1]!.poolId;
    await cache.set(keys.stock(bad), 'no list');
    const stocker = newStocker();
    // what was pushed together with it is of unknown outcome: it is never pushed again
    await stocker.stock(await tickOf(event.startsAtMs), event);
    await stocker.stock(await tickOf(event.startsAtMs + 1000), event);
    const lengths = await Promise.all([0, 2].map((i) => cache.llen(keys.stock(event.pools[i]!.poolId))));
    expect(lengths.every((length) => length > 0)).toBe(true);
    await cache.del(keys.stock(bad));
    await stocker.stock(await tickOf(event.startsAtMs + 2000), event);
    expect(await cache.llen(keys.stock(bad))).toBeGreaterThan(0);
  });
});

describe('what came back', () => {
  it('fills the list in measure, waits for it to be taken, and is all there before the event ends', async () => {
    const pool = { packetCount: 36_000, budgetFen: 3_600_000, releaseCurve: 'even' as const };
    const event = await liveEvent(planOf({ lastsMs: 3_600_000, sponsors: 2, event: longLife, pool }));
    const { startsAtMs, endsAtMs } = event;
    const poolIds = event.pools.map(({ poolId }) => poolId);
    const { cache } = rig.gateway;
    const clear = () => cache.del(...poolIds.map(keys.stock), keys.stockListed);
    const reclaimAll = () =>
      rig.pool.query("UPDATE blocks SET state = 'reclaimed' WHERE pool_id = ANY ($1) AND state = 'out'", [poolIds]);
    // ten packets a second for ten minutes, which nobody took
    const all = { upToBlock: Math.ceil(6020 / 8), countMax: 6020, issueUntilMs: startsAtMs + 600_000 };
    await stockBlocks(client, { pools: poolIds.map((poolId) => ({ poolId, ...all })), stockedAtMs: startsAtMs });
    await reclaimAll();
    await clear();
    const taker = newStocker();
    const restock = async (nowMs: number) => taker.stock(await tickOf(nowMs), await rig.record(event.id));
    expect(new Set((await countReclaimed(client, event.id)).values())).toEqual(new Set([Math.ceil(6020 / 8)]));

    // twenty packets ought to lie ahead, and 100 more are let out, in whole blocks
    await restock(startsAtMs + 600_000);
    expect(await listed(event)).toEqual([120, 120]);
    await restock(startsAtMs + 600_001);
    expect(await listed(event)).toEqual([120, 120]);
    await exchangeStock(cache, { wanted: [{ poolId: poolIds[0]!, blocksMax: 5 }], poolIds: [] });
    await restock(startsAtMs + 600_002);
    expect(await listed(event)).toEqual([120, 120]);

    // near the end everything may go out
    for (let tick = 0; tick < 20; tick++) await restock(endsAtMs - 9000 + tick * 250);
    expect(await countReclaimed(client, event.id)).toEqual(new Map());
  });
});
