// Redis emptied, replaced or restarted: blocks that were out are retired and never issued again, fresh stock follows (invariant 10).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventRecord } from '#libs/database';
import { isStamped, readStore } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 30_000, interval: 50 };
/** Released over a minute, so that there is fresh stock to come at any time; short-lived, so that blocks could come back. */
const plan = () =>
  planOf({
    lastsMs: 60_000,
    sponsors: 1,
    event: { ticketTtlMs: 1000, blockLifeMs: 1000 },
    pool: { packetCount: 32_000, budgetFen: 3_200_000, releaseCurve: 'even' },
  });
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
});
afterAll(async () => {
  await rig?.close();
});

const blockNosIn = async (event: EventRecord, state: string): Promise<Set<number>> => {
  const sql = 'SELECT b.block_no FROM blocks b WHERE b.pool_id = $1 AND b.state = $2';
  const { rows } = await rig.pool.query<{ block_no: number }>(sql, [event.pools[0]!.poolId, state]);
  return new Set(rows.map(({ block_no }) => block_no));
};
const takeSome = async (event: EventRecord): Promise<Issued[]> => {
  const found: Issued[] = [];
  await expect.poll(async () => found.push(...(await rig.gateway.take(event))), wait).toBeGreaterThan(0);
  return found;
};
const expectFreshStock = async (event: EventRecord, before: readonly Issued[]) => {
  await expect.poll(async () => isStamped(await readStore(rig.gateway.cache).catch(() => lostStore)), wait).toBe(true);
  await expect.poll(async () => (await blockNosIn(event, 'retired')).size, wait).toBeGreaterThan(0);
  const retired = await blockNosIn(event, 'retired');
  for (const { blockNo } of before) expect(retired.has(blockNo)).toBe(true);
  const { pools } = await rig.record(event.id);
  const fresh = await takeSome(event);
  expect(fresh.some(({ blockNo }) => retired.has(blockNo))).toBe(false);
  // blocks of after the loss come back in their time; those of before it do not
  const seen: Issued[] = [];
  const hasReissued = async () => {
    seen.push(...(await rig.gateway.take(event)));
    return seen.some(({ epoch }) => epoch === 2);
  };
  await expect.poll(hasReissued, wait).toBe(true);
  expect(seen.some(({ blockNo }) => retired.has(blockNo))).toBe(false);
  expect(pools[0]!.nextBlock).toBeGreaterThan(0);
  return retired;
};
const lostStore = { runId: '', stamp: undefined, storeMs: 0 };

describe('a Redis that lost everything', () => {
  it('retires what was out, honours its tickets, stocks fresh blocks and tells the events again', async () => {
    const event = await rig.arm(plan());
    const before = await takeSome(event);
    const isOnBoard = async () => (await rig.gateway.events.read()).some(({ id }) => id === event.id);
    await rig.gateway.cache.flushall();
    const retired = await expectFreshStock(event, before);
    expect(retired.size).toBeGreaterThan(0);
    await expect.poll(isOnBoard, wait).toBe(true);
    expect((await rig.gateway.open(event, before[0]!, 'ticket-of-before'))?.outcome).toBe('credited');
    const { metrics } = rig.allocation.parts.resources;
    expect((await metrics.storeRecoverySeconds.get()).values[0]!.value).toBeGreaterThan(0);
    await rig.allocation.act(String(event.id), 'close');
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  });
});

describe('a Redis that comes back as another server with the old data', () => {
  it('throws the old lists away and loses no open that was accepted before', async () => {
    const event = await rig.arm(plan());
    const before = await takeSome(event);
    const accepted = await Promise.all(
      before
        .slice(0, 20)
        .map((packet, i) => rig.gateway.send(event, packet, rig.gateway.openItem(packet, `before-${i}`))),
    );
    expect(accepted).toHaveLength(Math.min(before.length, 20));
    await rig.redis.restart();
    await rig.gateway.clock.whenReady(20_000);
    await expectFreshStock(event, before);
    for (const [i, { packetId }] of before.slice(0, 20).entries()) {
      await expect
        .poll(async () => (await rig.allocation.status(packetId, `before-${i}`)).status, wait)
        .toBe('credited');
    }
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  });
});

describe('a Redis that is away', () => {
  it('lets commands say so, reclaims nothing meanwhile and goes on when it is back', async () => {
    const event = await rig.arm(plan());
    await takeSome(event);
    const { body } = await rig.allocation.call<{ id: string }>('POST', '/events', plan());
    await rig.redis.kill();
    const out = await blockNosIn(event, 'out');
    expect(out.size).toBeGreaterThan(0);
    const isPast = async () => {
      const sql = 'SELECT max(issue_until_ms) AS last FROM blocks WHERE pool_id = $1';
      const { rows } = await rig.pool.query<{ last: bigint }>(sql, [event.pools[0]!.poolId]);
      return Number(rows[0]!.last) + event.ticketTtlMs + event.graceMs < Date.now();
    };
    await expect.poll(isPast, wait).toBe(true);
    expect(await blockNosIn(event, 'out')).toEqual(out);
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true });

    await rig.redis.restart();
    await expect.poll(async () => (await blockNosIn(event, 'retired')).size, wait).toBe(out.size);
    await expect.poll(async () => (await rig.allocation.act(body.id, 'arm')).status, wait).toBe(200);
    await takeSome(await rig.record(body.id));
  });
});
