// PostgreSQL restarted while lanes are full: they wait, no job fails, and everything that was accepted is credited (invariant 9).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LocalServer, startPostgres } from '#libs/localservers';
import { readLaneStats } from '#libs/queue';
import { createTestDatabase } from '../../../../libs/database/src/testing.ts';
import { startTestRedis } from '../../../../libs/localservers/src/testing.ts';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';

const wait = { timeout: 40_000, interval: 100 };
let dataDir: string;
let postgres: LocalServer;
let rig: AllocationRig;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hongbao-test-away-'));
  postgres = await startPostgres({ dataDir });
  const [database, redis] = await Promise.all([createTestDatabase(postgres.url), startTestRedis()]);
  rig = await AllocationRig.over(database, redis);
});
afterAll(async () => {
  await rig?.close();
  await postgres?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

it.each(['stop', 'kill'] as const)(
  'credits every open that was accepted while the database was away (%s)',
  async (how) => {
    const event = await rig.arm(
      planOf({ lastsMs: 120_000, event: { perUserMax: 3, ticketTtlMs: 60_000, blockLifeMs: 60_000 } }),
    );
    const packets: Issued[] = [];
    await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBe(192);
    const userOf = (packet: Issued) => `${how}-${packet.blockNo}-${packet.index}`;
    const send = (list: readonly Issued[]) =>
      Promise.all(list.map((packet) => rig.gateway.send(event, packet, rig.gateway.openItem(packet, userOf(packet)))));

    const before = send(packets.slice(0, 64));
    await postgres[how]();
    // accepted without a database: the queue is all that is needed
    const sent = [...(await before), ...(await send(packets.slice(64)))];
    expect(sent).toHaveLength(192);
    expect((await rig.allocation.call('GET', '/users/anybody/wallet')).body.code).toBe('dependency_unavailable');
    expect((await rig.allocation.act(String(event.id), 'close')).body.code).toBe('dependency_unavailable');
    await postgres.restart();

    const statusOf = async (packet: Issued) => (await rig.allocation.status(packet.packetId, userOf(packet))).status;
    await expect
      .poll(async () => new Set(await Promise.all(packets.map(statusOf))), wait)
      .toEqual(new Set(['credited']));
    const lanes = await readLaneStats(rig.gateway.cache, ['open-0', 'open-1', 'open-2', 'open-3']);
    expect(lanes.map(({ failed }) => failed)).toEqual([0, 0, 0, 0]);
    const idle = async () =>
      (await readLaneStats(rig.gateway.cache, ['open-0', 'open-1', 'open-2', 'open-3'])).map(
        ({ outstanding }) => outstanding,
      );
    await expect.poll(idle, wait).toEqual([0, 0, 0, 0]);
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  },
);
