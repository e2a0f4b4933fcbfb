import { Queue } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LocalServer } from '#libs/localservers';
import { closeRedis, createRedis, keys, type RedisClient, whenRedisReady } from '#libs/redis';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { recordingLog } from '../../redis/src/testing.ts';
import { grabLane, laneKeyPrefix } from './lane.ts';
import { readLaneStats } from './lane-stats.ts';
import {
  addOutstanding,
  countOutstanding,
  findOutstanding,
  lookAtOutstanding,
  OrphanSweeper,
  oldestOutstandingMs,
  removeOutstanding,
} from './outstanding.ts';
import { deadlineIn, lane, openItem, startProducer, startReadyProducer, type TestSide } from './testing.ts';

const longMs = 30_000;

describe('LaneProducer', () => {
  let redis: LocalServer;
  let reader: RedisClient;
  let side: TestSide | undefined;
  const log = recordingLog();

  beforeAll(async () => {
    redis = await startTestRedis();
    reader = createRedis('cache', redis.url, { name: 'reader', log });
  });
  afterAll(async () => {
    await closeRedis(reader);
    await redis.stop();
  });
  beforeEach(async () => {
    expect(await whenRedisReady(reader, 20_000)).toBe(true);
    await reader.flushall();
  });
  afterEach(async () => {
    await side?.close();
    side = undefined;
  });

  const addAll = async (producer: TestSide['producer'], count: number, withinMs = longMs) =>
    await Promise.all(
      Array.from({ length: count }, async (_, no) => await producer.add(lane, openItem(no), deadlineIn(withinMs))),
    );

  const jobsIn = async () => {
    const queue = new Queue(lane, { connection: reader, prefix: laneKeyPrefix(lane), skipMetasUpdate: true });
    const jobs = await queue.getJobs(['wait']);
    await queue.close();
    return jobs.reverse();
  };

  it('gathers items into one job that is in the lane and in its index when they are durable', async () => {
    // Proves what "durable" says: both acknowledged, by the oldest acceptance of the batch (invariants 3 and 6).
    side = await startReadyProducer(redis.url, log, { lingerMinMs: 50 });
    const items = [openItem(2, 1700), openItem(1, 1500), openItem(3, 1600)];
    const added = await Promise.all(
      items.map(async (item) => await side!.producer.add(lane, item, deadlineIn(longMs))),
    );
    const jobIds = added.map((addition) => addition.status === 'durable' && addition.jobId);
    expect(added.map((addition) => addition.status === 'durable' && addition.position)).toEqual([0, 1, 2]);
    expect(new Set(jobIds).size).toBe(1);
    const [job, ...others] = await jobsIn();
    expect(others).toEqual([]);
    expect(job).toMatchObject({ id: jobIds[0], data: { v: 1, replyTo: 'producer-1', items } });
    expect(await reader.zrange(keys.outstanding(lane), 0, '-1', 'WITHSCORES')).toEqual([jobIds[0], '1500']);
    expect(await reader.hget(keys.job(lane, 'meta'), 'opts.maxLenEvents')).toBe('100');
  });

  it('sends a full job at once and makes none larger', async () => {
    // Proves the flush by size (the linger would be an hour) and the limit of a job.
    side = await startReadyProducer(redis.url, log, {
      flushItemsMax: 10,
      lingerMinMs: 3_600_000,
      lingerMaxMs: 3_600_000,
    });
    const added = await addAll(side.producer, 30);
    expect(added.every(({ status }) => status === 'durable')).toBe(true);
    const jobs = await jobsIn();
    expect(jobs.map((job) => job.data.items.length)).toEqual([10, 10, 10]);
    expect(jobs.flatMap((job) => job.data.items)).toEqual(Array.from({ length: 30 }, (_, no) => openItem(no)));
  });

  it('never makes the same job id twice, in one process or in two', async () => {
    // Proves that jobs cannot swallow each other.
    side = await startReadyProducer(redis.url, log, { flushItemsMax: 1 });
    const other = await startReadyProducer(redis.url, log, { flushItemsMax: 1, id: 'producer-2' });
    await Promise.all([addAll(side.producer, 20), addAll(other.producer, 20)]);
    await other.close();
    const ids = (await jobsIn()).map((job) => job.id!);
    expect(new Set(ids).size).toBe(40);
    for (const id of ids) expect(id).toMatch(/^j[\w-]+$/);
  });

  it('refuses what its buffer does not hold', async () => {
    // Proves the bound: what is refused is certainly not enqueued.
    side = await startReadyProducer(redis.url, log, { laneBufferItemsMax: 5, lingerMinMs: 50 });
    const added = await addAll(side.producer, 8);
    expect(added.map(({ status }) => status)).toEqual([...Array(5).fill('durable'), ...Array(3).fill('buffer_full')]);
    expect((await jobsIn()).flatMap((job) => job.data.items)).toHaveLength(5);
  });

  it('does not enqueue an item whose time is over', async () => {
    // Proves that `too_late` means "not accepted", also for the batch that goes on without it.
    side = await startReadyProducer(redis.url, log, { lingerMinMs: 300, lingerMaxMs: 300 });
    const [late, never, timely] = await Promise.all([
      side.producer.add(lane, openItem(1), deadlineIn(1)),
      side.producer.add(lane, openItem(2), deadlineIn(0)),
      side.producer.add(lane, openItem(3), deadlineIn(longMs)),
    ]);
    expect([late.status, never.status, timely.status]).toEqual(['too_late', 'too_late', 'durable']);
    expect((await jobsIn()).flatMap((job) => job.data.items)).toEqual([openItem(3)]);
  });

  it('works although Redis was down when it started', async () => {
    // Proves that a queue made without Redis fails fast and is not dead for it.
    await redis.kill();
    side = await startProducer(redis.url, log);
    expect((await side.producer.add(lane, openItem(1), deadlineIn(longMs))).status).toBe('queue_unavailable');
    await redis.restart();
    expect(await whenRedisReady(side.client, 20_000)).toBe(true);
    expect(await whenRedisReady(reader, 20_000)).toBe(true);
    expect((await side.producer.add(lane, openItem(2), deadlineIn(longMs))).status).toBe('durable');
    expect((await side.producer.add(grabLane(0), openItem(3), deadlineIn(longMs))).status).toBe('durable');
    expect(await reader.hget(keys.job(lane, 'meta'), 'opts.maxLenEvents')).toBe('100');
  });

  it('answers every item when Redis dies under it, and those that are durable are there afterwards', async () => {
    // Proves that nothing hangs and that `durable` outlives a kill of Redis (invariant 6).
    side = await startReadyProducer(redis.url, log, { flushItemsMax: 4 });
    const { producer } = side;
    let killed: Promise<void> | undefined;
    const adding: ReturnType<typeof producer.add>[] = [];
    for (let no = 0; no < 2000; no++) {
      adding.push(producer.add(lane, openItem(no), deadlineIn(longMs)));
      if (no === 1000) killed = redis.kill();
      if (no % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const added = await Promise.all(adding);
    await killed;
    const durable = added.flatMap((addition, no) => (addition.status === 'durable' ? [String(no + 1)] : []));
    expect(new Set(added.map(({ status }) => status))).toContain('queue_unavailable');
    await redis.restart();
    expect(await whenRedisReady(reader, 20_000)).toBe(true);
    const jobs = await jobsIn();
    const present = new Set(jobs.flatMap((job) => job.data.items.map((item: { packetId: string }) => item.packetId)));
    expect(durable.filter((packetId) => !present.has(packetId))).toEqual([]);
    const index = new Set(await reader.zrange(keys.outstanding(lane), 0, '-1'));
    expect(jobs.filter((job) => !index.has(job.id!)).map((job) => job.id)).toEqual([]);
  });

  it('answers within its time while Redis is frozen', async () => {
    // Proves that an unanswered enqueue is told as unknown, that what waits behind it is told as not enqueued, and that none of them
    // is accepted when Redis reads it after all: each was answered 503 long ago (invariant 6).
    side = await startReadyProducer(redis.url, log, { commandTimeoutMs: 60_000, flushItemsMax: 1, addsInFlightMax: 2 });
    const { producer } = side;
    process.kill(redis.pid, 'SIGSTOP');
    const added = await addAll(producer, 4, 200);
    expect(producer.load()).toMatchObject({ itemsBuffered: 0, addsInFlight: 2 });
    process.kill(redis.pid, 'SIGCONT');
    expect(added.map(({ status }) => status)).toEqual([
      'queue_unavailable',
      'queue_unavailable',
      'too_late',
      'too_late',
    ]);
    // The unknown ones are in the lane after all, but without an entry nobody settles them.
    await vi.waitFor(() => expect(producer.load().addsInFlight).toBe(0));
    expect((await jobsIn()).flatMap((job) => job.data.items)).toEqual([openItem(0), openItem(1)]);
    expect(await countOutstanding(reader, lane)).toBe(0);
  });

  it('does not enqueue what became late while the process was stopped, whichever timer runs first', async () => {
    // Proves that a process which wakes does not accept an open that its user was told nothing of in time.
    side = await startReadyProducer(redis.url, log, { lingerMinMs: 1 });
    const adding = side.producer.add(lane, openItem(1), deadlineIn(30));
    const wakesAt = performance.now() + 60;
    while (performance.now() < wakesAt);
    expect((await adding).status).toBe('too_late');
    expect((await side.producer.add(lane, openItem(2), deadlineIn(longMs))).status).toBe('durable');
    expect((await jobsIn()).flatMap((job) => job.data.items)).toEqual([openItem(2)]);
  });

  it('accepts nothing without the time of the store', async () => {
    // Proves that no deadline is guessed.
    side = await startReadyProducer(redis.url, log, { clock: { nowMs: () => undefined } });
    expect((await side.producer.add(lane, openItem(1), deadlineIn(longMs))).status).toBe('queue_unavailable');
    expect(await jobsIn()).toEqual([]);
  });

  it('enqueues what it holds when it is closed, and takes no more', async () => {
    // Proves that a shutdown loses nothing that was taken in.
    side = await startReadyProducer(redis.url, log, { lingerMinMs: 3_600_000, flushItemsMax: 4, addsInFlightMax: 1 });
    const adding = addAll(side.producer, 10);
    await side.producer.close(10_000);
    expect((await adding).map(({ status }) => status)).toEqual(Array(10).fill('durable'));
    expect((await side.producer.add(lane, openItem(1), deadlineIn(longMs))).status).toBe('queue_unavailable');
  });
});

describe('outstanding index', () => {
  let redis: LocalServer;
  let client: RedisClient;
  let side: TestSide;
  const log = recordingLog();

  beforeAll(async () => {
    redis = await startTestRedis();
    side = await startReadyProducer(redis.url, log);
    client = side.client;
  });
  afterAll(async () => {
    await side.close();
    await redis.stop();
  });

  it('tells the oldest acceptance until its job is removed', async () => {
    // Proves what the reclaimer reads (invariant 3).
    expect(await oldestOutstandingMs(client, lane)).toBeUndefined();
    await addOutstanding(client, lane, 'b', 1_800_000_000_002);
    await addOutstanding(client, lane, 'a', 1_800_000_000_001);
    expect(await oldestOutstandingMs(client, lane)).toBe(1_800_000_000_001);
    expect(await countOutstanding(client, lane)).toBe(2);
    expect(await removeOutstanding(client, lane, ['a', 'unknown'])).toBe(1);
    expect(await oldestOutstandingMs(client, lane)).toBe(1_800_000_000_002);
    expect(await removeOutstanding(client, lane, ['b'])).toBe(1);
    expect(await removeOutstanding(client, lane, [])).toBe(0);
  });

  it('refuses an entry that comes after its deadline, by its own clock', async () => {
    // Proves that a command which waited in a socket accepts nothing any more (invariant 6).
    const { nowMs } = await lookAtOutstanding(client, lane);
    expect(await addOutstanding(client, lane, 'late', 1, nowMs)).toBe(false);
    expect(await addOutstanding(client, lane, 'timely', 1, nowMs + longMs)).toBe(true);
    expect(await addOutstanding(client, lane, 'whenever', 2)).toBe(true);
    const asked = ['late', 'timely', 'whenever'];
    expect(await findOutstanding(client, lane, asked)).toEqual(new Set(['timely', 'whenever']));
    expect(await findOutstanding(client, lane, [])).toEqual(new Set());
    const look = await lookAtOutstanding(client, lane);
    expect(look.oldestMs).toBe(1);
    expect(look.nowMs).toBeGreaterThanOrEqual(nowMs);
    await removeOutstanding(client, lane, asked);
    expect((await lookAtOutstanding(client, lane)).oldestMs).toBeUndefined();
  });

  it('drops old entries without a job, and no others', async () => {
    // Proves that a block is not held for ever by an enqueue that failed, nor freed while a job is on its way.
    await addOutstanding(client, lane, 'orphan-1', 100);
    await addOutstanding(client, lane, 'orphan-2', 200);
    await addOutstanding(client, lane, 'young', 900);
    const added = await side.producer.add(lane, openItem(1, 150), deadlineIn(longMs));
    const jobId = added.status === 'durable' ? added.jobId : expect.fail('not durable');
    const sweeper = new OrphanSweeper(client, lane);
    const sweep = (nowMs: number) => sweeper.sweep({ acceptedBeforeMs: 500, confirmMs: 10, nowMs });
    expect([await sweep(0), await sweep(9)]).toEqual([0, 0]);
    // sent again meanwhile: its job is being queued, so it is an orphan no more
    await client.set(keys.job(lane, 'orphan-2'), 'a job');
    expect(await sweep(10)).toBe(1);
    await client.del(keys.job(lane, 'orphan-2'));
    expect([await sweep(30), await sweep(39), await sweep(40)]).toEqual([0, 0, 1]);
    expect(await client.zrange(keys.outstanding(lane), 0, '-1')).toEqual([jobId, 'young']);
    expect(await readLaneStats(client, [lane, grabLane(1)])).toEqual([
      { lane, waiting: 1, active: 0, delayed: 0, failed: 0, outstanding: 2, oldestOutstandingMs: 150 },
      {
        lane: grabLane(1),
        waiting: 0,
        active: 0,
        delayed: 0,
        failed: 0,
        outstanding: 0,
        oldestOutstandingMs: undefined,
      },
    ]);
  });
});
