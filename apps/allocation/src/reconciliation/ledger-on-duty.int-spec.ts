// The check of the ledger as it runs in an allocation process: on from the start, over what the lanes book.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EventRecord, settleOpens } from '#libs/database';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 20_000, interval: 50 };
let rig: AllocationRig;
let event: EventRecord;
const stock: Issued[] = [];

beforeAll(async () => {
  rig = await AllocationRig.create();
  event = await rig.arm(planOf({ lastsMs: 600_000, event: { ticketTtlMs: 600_000 } }));
  await vi.waitUntil(async () => {
    stock.push(...(await rig.gateway.take(event)));
    return stock.length === 192;
  }, wait);
});
afterAll(async () => {
  await rig?.close();
});

async function balanced(): Promise<number | undefined> {
  const { values } = await rig.allocation.parts.resources.metrics.ledgerBalanced.get();
  return values.find(({ labels }) => labels.event === String(event.id))?.value;
}

describe('an allocation process', () => {
  it('says of the event that its ledger adds up while lanes book, and that it does not when somebody else does', async () => {
    await expect.poll(balanced, wait).toBe(1);
    const [last, ...packets] = stock;
    const outcomes = await Promise.all(packets.map((packet, i) => rig.gateway.open(event, packet, `user-${i % 70}`)));
    expect(outcomes.filter((settled) => settled?.outcome === 'credited').length).toBeGreaterThan(100);
    expect(await balanced()).toBe(1);
    const { packetId, eventId, epoch, sponsorNo } = last!;
    const booked = await settleOpens(rig.pool, [
      { packetId, eventId, epoch, sponsorNo, userId: 'thief', acceptedAtMs: rig.gateway.nowMs(), amountFen: 500 },
    ]);
    expect(booked).toMatchObject([{ outcome: 'credited' }]);
    await expect.poll(balanced, wait).toBe(0);
    expect((await rig.allocation.reconcile(String(event.id))).balanced).toBe(false);
  }, 60_000);
});
