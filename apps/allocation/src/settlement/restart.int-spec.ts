// Allocation restarted while lanes are full: whatever a process leaves behind, the next one settles, each open once.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readLaneStats } from '#libs/queue';
import { AllocationRig, RunningAllocation } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 30_000, interval: 50 };
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
});
afterAll(async () => {
  await rig?.close();
});

it('credits every open that was accepted before, during and after a restart', async () => {
  const event = await rig.arm(planOf({ lastsMs: 120_000, event: { ticketTtlMs: 60_000, blockLifeMs: 60_000 } }));
  const packets: Issued[] = [];
  await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBe(192);
  const userOf = (packet: Issued) => `restart-${packet.blockNo}-${packet.index}`;
  const send = (list: readonly Issued[]) =>
    Promise.all(list.map((packet) => rig.gateway.send(event, packet, rig.gateway.openItem(packet, userOf(packet)))));

  const before = send(packets.slice(0, 64));
  const closing = rig.allocation.close();
  const additions = [...(await before), ...(await send(packets.slice(64, 128)))];
  await closing;
  additions.push(...(await send(packets.slice(128))));
  // two processes share the lanes from here on
  rig.allocation = await RunningAllocation.start(rig.urls);
  const second = await RunningAllocation.start(rig.urls);
  try {
    const statusOf = async (packet: Issued) => (await second.status(packet.packetId, userOf(packet))).status;
    await expect
      .poll(async () => new Set(await Promise.all(packets.map(statusOf))), wait)
      .toEqual(new Set(['credited']));
    const lanes = await readLaneStats(rig.gateway.cache, ['open-0', 'open-1', 'open-2', 'open-3']);
    expect(lanes.map(({ failed }) => failed)).toEqual([0, 0, 0, 0]);
    expect(additions).toHaveLength(192);
    expect(await second.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  } finally {
    await second.close();
  }
});
