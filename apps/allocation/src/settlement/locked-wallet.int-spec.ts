// One user's wallet row is kept locked by somebody else: the opens that are merged with his are credited, and his is after the release.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type OpenItem, type OpenOutcome, openJobSchema } from '#libs/contracts';
import { createPool, type EventRecord, listDeadLetters, type Pool } from '#libs/database';
import { laneOfBlock } from '#libs/domain';
import { LaneConsumer, MergingBatcher, openLane } from '#libs/queue';
import { createLogger, createMetrics } from '#libs/runtime';
import { createAllocationMetrics } from '../process/metrics.ts';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';
import { DerivedAmounts } from './derived-amounts.ts';
import { EventBook } from './event-book.ts';
import { ItemSettler, type LaneItem } from './item-settler.ts';
import { outcomesOfJob } from './lane-workers.ts';
import { openKind } from './settlement-kind.ts';

const wait = { timeout: 30_000, interval: 50 };
const log = createLogger('test', 'silent');
let rig: AllocationRig;
let event: EventRecord;
let packets: Issued[];
/** As the money pool, but less patient. */
let pool: Pool;
const stopping = new AbortController();
const consumers: LaneConsumer<OpenItem, OpenOutcome>[] = [];

beforeAll(async () => {
  rig = await AllocationRig.create();
  event = await rig.arm(planOf({ lastsMs: 600_000, sponsors: 1, event: { ticketTtlMs: 600_000 } }));
  packets = [];
  await vi.waitUntil(async () => packets.push(...(await rig.gateway.take(event))) === 64, wait);
  // from here on the lanes belong to the test's own consumers, whose merging it can see
  await rig.allocation.close();
  const connectionString = rig.urls.DATABASE_URL;
  pool = createPool({
    connectionString,
    applicationName: 'locked',
    max: 2,
    statementTimeoutMs: 5000,
    lockTimeoutMs: 100,
  });
});
afterAll(async () => {
  stopping.abort();
  await Promise.all(consumers.map((consumer) => consumer.close(5000)));
  await pool?.end();
  await rig?.close();
});

/** Settles the lanes as the service does, one call at a time; the first call lasts until `itemCount` others wait to be merged. */
function startLanes(itemCount: number): string[][] {
  const calls: string[][] = [];
  const settler = new ItemSettler(openKind, {
    pool,
    book: new EventBook(pool, rig.prisma),
    amounts: new DerivedAmounts(),
    metrics: createAllocationMetrics(createMetrics('test')),
    onBooked: () => undefined,
  });
  const batcher = new MergingBatcher<LaneItem<OpenItem>, OpenOutcome | undefined>({
    callsInFlightMax: 1,
    settleBatch: async (entries) => {
      calls.push(entries.map(({ item }) => item.userId));
      if (calls.length === 1) await vi.waitUntil(() => batcher.load().itemsWaiting === itemCount, wait);
      const bury = () => Promise.reject(new Error('nothing is to be buried'));
      return await settler.settle(entries, { bury, stopped: stopping.signal });
    },
  });
  for (let no = 0; no < event.openLaneCount!; no++) {
    const consumer = new LaneConsumer<OpenItem, OpenOutcome>({
      lane: openLane(no),
      redisUrl: rig.urls.REDIS_URL,
      name: 'test',
      log,
      jobSchema: openJobSchema,
      settle: async (items, { lane }) => outcomesOfJob(await batcher.submit(items.map((item) => ({ item, lane })))),
      onMalformed: () => Promise.reject(new Error('malformed')),
    });
    consumers.push(consumer);
    consumer.start();
  }
  return calls;
}

const creditedUsers = async (): Promise<Set<string>> => {
  const { rows } = await rig.pool.query<{ name: string }>(
    'SELECT a.name FROM grants g JOIN accounts a ON a.id = g.account_id',
  );
  return new Set(rows.map(({ name }) => name));
};

it('credits the rest of a merged batch while a wallet is locked, and the locked one after its release (invariant 9)', async () => {
  const [first, ...rest] = packets as [Issued, ...Issued[]];
  const send = (packet: Issued, user: string) => rig.gateway.send(event, packet, rig.gateway.openItem(packet, user));
  const users = rest.map((_, no) => (no === 20 ? 'locked' : `free-${no}`));
  const free = users.filter((user) => user !== 'locked');
  await rig.pool.query("INSERT INTO accounts (kind, name, balance_fen) VALUES ('wallet', 'locked', 0)");
  const holder = await rig.pool.connect();
  try {
    await holder.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
    await holder.query("SELECT FROM accounts WHERE kind = 'wallet' AND name = 'locked' FOR UPDATE");
    const calls = startLanes(rest.length);
    const gate = await send(first, 'gate');
    await vi.waitUntil(() => calls.length === 1, wait);
    const sent = await Promise.all(rest.map((packet, no) => send(packet, users[no]!)));
    const replies = sent.map((addition) => addition.whenReplied(wait.timeout));
    expect(await gate.whenReplied(wait.timeout)).toMatchObject({ outcome: 'credited' });

    await expect.poll(creditedUsers, wait).toEqual(new Set(['gate', ...free]));
    expect(calls[1]!.toSorted()).toEqual(users.toSorted());
    // those of other lanes, and so of other jobs, are answered as well
    const laneOf = ({ poolId, blockNo }: Issued) => laneOfBlock(poolId, blockNo, event.openLaneCount!);
    const elsewhere = replies.filter((_, no) => laneOf(rest[no]!) !== laneOf(rest[20]!));
    expect(elsewhere.length).toBeGreaterThan(0);
    for (const outcome of await Promise.all(elsewhere)) expect(outcome).toMatchObject({ outcome: 'credited' });
    expect((await creditedUsers()).has('locked')).toBe(false);

    await holder.query('ROLLBACK');
    for (const outcome of await Promise.all(replies)) expect(outcome).toMatchObject({ outcome: 'credited' });
    expect(await creditedUsers()).toEqual(new Set(['gate', ...users]));
    expect((await listDeadLetters(rig.prisma, { limit: 1 })).deadLetters).toEqual([]);
  } finally {
    holder.release(true);
  }
});
