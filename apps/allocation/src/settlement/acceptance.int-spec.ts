// What is settled is what is accepted at that instant: a job without its entry in the outstanding index books nothing, however it
// came to run (invariants 6, 7).
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { EventRecord } from '#libs/database';
import { laneOfBlock, laneOfPacket } from '#libs/domain';
import { addOutstanding, findOutstanding, grabLane, type Lane, openLane, outstandingLookFreshMs } from '#libs/queue';
import { keys } from '#libs/redis';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';
import { settleAccepted } from './acceptance.ts';

const wait = { timeout: 30_000, interval: 50 };
let rig: AllocationRig;
let connection: Redis;
let event: EventRecord;
const packets: Issued[] = [];
beforeAll(async () => {
  rig = await AllocationRig.create();
  connection = new Redis(rig.redis.url, { maxRetriesPerRequest: null });
  const pool = { sharePortions: 2, shareBudgetFen: 640 };
  event = await rig.arm(planOf({ lastsMs: 120_000, sponsors: 1, event: { blockLifeMs: 60_000 }, pool }));
  await vi.waitUntil(async () => packets.push(...(await rig.gateway.take(event))) >= 20, wait);
});
afterAll(async () => {
  connection?.disconnect();
  await rig?.close();
});

const laneOf = ({ poolId, blockNo }: Issued) => openLane(laneOfBlock(poolId, blockNo, event.openLaneCount!));
const grabLaneOf = ({ packetId }: Issued) => grabLane(laneOfPacket(packetId, event.grabLaneCount!));

/** Puts a job into its lane as a producer does that has been told nothing; resolves when the job is done. */
async function run(lane: Lane, jobId: string, items: readonly unknown[]): Promise<void> {
  const queue = new Queue(lane, { connection, prefix: keys.lanePrefix(lane) });
  try {
    await queue.add('items', { v: 1, replyTo: 'nobody', items }, { jobId });
    await expect.poll(() => connection.exists(keys.job(lane, jobId)), wait).toBe(0);
  } finally {
    await queue.close();
  }
}

const grantsOf = async (packet: Issued): Promise<number> => {
  const { rowCount } = await rig.pool.query('SELECT FROM grants WHERE packet_id = $1', [packet.packetId]);
  return rowCount ?? 0;
};

it('books an open by its entry, and none without', async () => {
  const [refused, accepted] = packets.splice(0, 2) as [Issued, Issued];
  await run(laneOf(refused), 'refused-by-the-store', [rig.gateway.openItem(refused, 'told-503')]);
  await addOutstanding(rig.gateway.cache, laneOf(accepted), 'accepted', rig.gateway.nowMs());
  await run(laneOf(accepted), 'accepted', [rig.gateway.openItem(accepted, 'told-pending')]);
  expect([await grantsOf(refused), await grantsOf(accepted)]).toEqual([0, 1]);
  expect(await findOutstanding(rig.gateway.cache, laneOf(accepted), ['accepted'])).toEqual(new Set());
});

it('books nothing for a grab that was answered before, when its job runs again after the grant', async () => {
  const [packet] = packets.splice(0, 1) as [Issued];
  expect((await rig.gateway.grab(event, packet, 'owner', 'friend'))?.outcome).toBe('no_grant_yet');
  expect((await rig.gateway.open(event, packet, 'owner'))?.outcome).toBe('credited');
  const { packetId, epoch, sponsorNo } = packet;
  const item = { packetId: String(packetId), eventId: event.id, ownerId: 'owner', userId: 'friend', epoch, sponsorNo };
  await run(grabLaneOf(packet), 'run-again', [{ ...item, acceptedAtMs: rig.gateway.nowMs() }]);
  const { rowCount } = await rig.pool.query('SELECT FROM grabs WHERE packet_id = $1', [packetId]);
  expect(rowCount).toBe(0);
  expect((await rig.gateway.grab(event, packet, 'owner', 'friend'))?.outcome).toBe('credited');
});

it('looks again when a statement is not sent in time, and leaves what was settled meanwhile', async () => {
  // As when the process is stopped between its look and its statement: the other consumer has taken the job over by then.
  let looks = 0;
  let stale = 0;
  const sent: string[] = [];
  const outcomes = await settleAccepted<string, string>({
    pool: rig.pool,
    entries: ['overtaken', 'still there'],
    look: async (entries) => new Set(looks++ === 0 ? entries : ['still there']),
    settle: async (client, accepted) => {
      const staleAt = performance.now() + (looks === 1 ? outstandingLookFreshMs : 0);
      await expect.poll(() => performance.now() >= staleAt, wait).toBe(true);
      const { rows } = await client.query<{ name: string }>('SELECT unnest($1::text[]) AS name', [accepted]);
      sent.push(...rows.map(({ name }) => name));
      return rows.map(({ name }) => `settled ${name}`);
    },
    onStale: () => (stale += 1),
  });
  expect(outcomes).toEqual([undefined, 'settled still there']);
  expect([looks, stale, sent]).toEqual([2, 1, ['still there']]);
});

it('sends nothing for entries that are all gone', async () => {
  const unreachable = () => expect.unreachable();
  const look = async () => new Set<string>();
  const work = { pool: rig.pool, entries: ['a', 'b'], look, settle: unreachable, onStale: unreachable };
  expect(await settleAccepted<string, string>(work)).toEqual([undefined, undefined]);
});
