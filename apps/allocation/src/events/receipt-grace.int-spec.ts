// After Redis was replaced an event is settled only when phones had time to come with receipts of opens that the new one does not know.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpsEvent } from '#libs/contracts';
import type { EventRecord } from '#libs/database';
import { isStamped, keys, readStore } from '#libs/redis';
import { AllocationRig, type Answer } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 60_000, interval: 50 };
/** So long that no test can outlast it: the time of the stamp is moved instead. */
const receiptGraceMs = 600_000;
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create({ RECEIPT_GRACE_MS: String(receiptGraceMs) });
});
afterAll(async () => {
  await rig?.close();
});

const settle = (event: EventRecord) => rig.allocation.act(String(event.id), 'settle');
const possibleAtOf = ({ body }: Answer<OpsEvent>) => Date.parse(body['possibleAt'] as string);
const store = () => readStore(rig.gateway.cache);

/** An event that is live until it is closed, with packets in a gateway's hands. */
async function liveEvent(): Promise<{ event: EventRecord; packets: Issued[] }> {
  const event = await rig.arm(planOf({ lastsMs: 3_600_000, sponsors: 1, event: { ticketTtlMs: 3000 } }));
  const packets: Issued[] = [];
  await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBeGreaterThan(0);
  return { event, packets };
}

async function countRetired(event: EventRecord): Promise<number> {
  const sql = "SELECT count(*)::int AS n FROM blocks WHERE pool_id = $1 AND state = 'retired'";
  return (await rig.pool.query<{ n: number }>(sql, [event.pools[0]!.poolId])).rows[0]!.n;
}

/** Asks until nothing but the receipts, or nothing at all, holds the settlement back. */
async function settleOnceOver(event: EventRecord): Promise<Answer<OpsEvent>> {
  let answer: Answer<OpsEvent> | undefined;
  const isOver = async () => {
    answer = await settle(event);
    return answer.status === 200 || answer.body.detail?.includes('receipts');
  };
  await expect.poll(isOver, wait).toBe(true);
  return answer!;
}

describe('an event that was live when Redis was replaced', () => {
  it('waits for receipts from the stamp on, honours them, and is settled after that', async () => {
    const { event, packets } = await liveEvent();
    const acceptedAtMs = rig.gateway.nowMs();
    await rig.gateway.cache.flushall();
    await expect.poll(async () => isStamped(await store()), wait).toBe(true);
    expect(await countRetired(event)).toBeGreaterThan(0);
    const { stampedAtMs } = await store();
    expect((await rig.allocation.act(String(event.id), 'close')).body.state).toBe('closed');

    const early = await settleOnceOver(event);
    expect([early.status, early.body.code]).toEqual([409, 'too_early']);
    expect(possibleAtOf(early)).toBe(stampedAtMs! + receiptGraceMs);
    expect((await rig.record(event.id)).settlingAtMs).toBeUndefined();
    // the job of this open was lost with the store, and its ticket is long past
    expect((await rig.gateway.open(event, packets[0]!, 'has-a-receipt', acceptedAtMs))?.outcome).toBe('credited');
    expect(possibleAtOf(await settleOnceOver(event))).toBe(stampedAtMs! + receiptGraceMs);

    await rig.gateway.cache.set(keys.stampedAt, (await store()).storeMs - receiptGraceMs);
    expect((await settle(event)).body.state).toBe('settled');
    const proof = await rig.allocation.reconcile(String(event.id));
    expect(proof).toMatchObject({ balanced: true, violations: [], unclaimedFen: 0 });
    expect(proof.grantedFen).toBeGreaterThan(0);
  }, 120_000);

  it.each([
    ['missing', () => rig.gateway.cache.del(keys.stampedAt)],
    ['garbled', () => rig.gateway.cache.set(keys.stampedAt, 'yesterday')],
    ['still to come', async () => rig.gateway.cache.set(keys.stampedAt, (await store()).storeMs + 3_600_000)],
  ])(
    'waits once from now on when the time of the stamp is %s',
    async (_, spoil) => {
      const { event } = await liveEvent();
      await rig.gateway.cache.flushall();
      await expect.poll(async () => isStamped(await store()), wait).toBe(true);
      expect(await countRetired(event)).toBeGreaterThan(0);
      await rig.allocation.act(String(event.id), 'close');
      // the grace is over
      await rig.gateway.cache.set(keys.stampedAt, (await store()).storeMs - receiptGraceMs);
      const { storeMs } = await store();
      await spoil();
      const early = await settleOnceOver(event);
      expect([early.status, early.body.code]).toEqual([409, 'too_early']);
      expect(possibleAtOf(early)).toBeGreaterThanOrEqual(storeMs + receiptGraceMs);
      expect(possibleAtOf(early)).toBeLessThanOrEqual((await store()).storeMs + receiptGraceMs);
      expect(possibleAtOf(await settleOnceOver(event))).toBe(possibleAtOf(early));
    },
    120_000,
  );
});

describe('an event that lost nothing with a store', () => {
  it('is settled without delay, however fresh the stamp', async () => {
    await rig.gateway.cache.flushall();
    await expect.poll(async () => isStamped(await store()), wait).toBe(true);
    const { event } = await liveEvent();
    await rig.allocation.act(String(event.id), 'close');
    expect((await settleOnceOver(event)).body.state).toBe('settled');
    expect(await countRetired(event)).toBe(0);
    const { stampedAtMs, storeMs } = await store();
    expect(storeMs - stampedAtMs!).toBeLessThan(receiptGraceMs);
  }, 120_000);
});
