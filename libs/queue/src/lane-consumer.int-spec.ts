import { Queue } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OpenItem, OpenOutcome } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { closeRedis, createRedis, keys, type RedisClient, subscribeReplies, whenRedisReady } from '#libs/redis';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { recordingLog } from '../../redis/src/testing.ts';
import { laneJobOptions, laneKeyPrefix } from './lane.ts';
import type { LaneConsumer, MalformedJob } from './lane-consumer.ts';
import type { LaneAddition } from './lane-producer.ts';
import { readLaneStats } from './lane-stats.ts';
import { MergingBatcher } from './merging-batcher.ts';
import { countOutstanding, removeOutstanding } from './outstanding.ts';
import {
  deadlineIn,
  lane,
  leftovers,
  openItem,
  outcomeOf,
  startConsumer,
  startReadyProducer,
  type TestConsumerOptions,
  type TestSide,
} from './testing.ts';

const longMs = 30_000;
const untilDone = { timeout: 30_000, interval: 20 };

describe('LaneConsumer', () => {
  let redis: LocalServer;
  let reader: RedisClient;
  let side: TestSide;
  let consumers: LaneConsumer<OpenItem, OpenOutcome>[];
  let log: ReturnType<typeof recordingLog>;

  beforeEach(async () => {
    redis = await startTestRedis();
    log = recordingLog();
    consumers = [];
    reader = createRedis('cache', redis.url, { name: 'reader', log });
    expect(await whenRedisReady(reader, 20_000)).toBe(true);
    side = await startReadyProducer(redis.url, log, { flushItemsMax: 4 });
  });
  afterEach(async () => {
    await Promise.all(consumers.map(async (consumer) => await consumer.close(500)));
    await side.close();
    await closeRedis(reader);
    await redis.stop();
  });

  function consume(options: TestConsumerOptions = {}): LaneConsumer<OpenItem, OpenOutcome> {
    const consumer = startConsumer(redis.url, log, options);
    consumers.push(consumer);
    return consumer;
  }

  const addAll = async (count: number): Promise<LaneAddition<OpenOutcome>[]> =>
    await Promise.all(
      Array.from({ length: count }, async (_, no) => await side.producer.add(lane, openItem(no), deadlineIn(longMs))),
    );

  const outcomesOf = async (added: readonly LaneAddition<OpenOutcome>[]) =>
    await Promise.all(
      added.map(async (addition) =>
        addition.status === 'durable' ? await addition.whenReplied(longMs) : expect.fail(addition.status),
      ),
    );

  const expectedOutcomes = (count: number) => Array.from({ length: count }, (_, no) => outcomeOf(openItem(no)));

  it('brings every item its own outcome and leaves nothing behind', async () => {
    // Proves the way there and back, through a batcher that merges many jobs (invariants 6 and 7).
    const added = await addAll(200);
    const calls: number[] = [];
    const batcher = new MergingBatcher<OpenItem, OpenOutcome>({
      callsInFlightMax: 1,
      settleBatch: async (items) => {
        calls.push(items.length);
        // The first call lasts until all that may be under way has gathered behind it: 32 jobs of 4 items.
        if (calls.length === 1) {
          const gathered = () => items.length + batcher.load().itemsWaiting;
          await vi.waitFor(() => expect(gathered()).toBeGreaterThanOrEqual(128), untilDone);
        }
        return items.map(outcomeOf);
      },
    });
    consume({ settle: async (items) => await batcher.submit(items) });
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(200));
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
    expect(calls[0]! + calls[1]!).toBeGreaterThanOrEqual(128);
    expect(calls.reduce((sum, items) => sum + items, 0)).toBe(200);
    expect(side.producer.load()).toEqual({ itemsBuffered: 0, addsInFlight: 0, jobsUnanswered: 0 });
  });

  it('commits, removes the outstanding entry, replies and completes the job, in this order', async () => {
    // Proves the order that the reclaimer and a repeated run rely on (invariants 3 and 7).
    const steps: string[] = [];
    const monitor = await reader.monitor();
    monitor.on('monitor', (_time: string, [command, ...args]: string[]) => {
      if (command === 'zrem') steps.push('entry removed');
      if (command === 'publish') steps.push('replied');
      if (/^(del|unlink)$/i.test(command!) && args.some((key) => key.startsWith(keys.job(lane, 'j')))) {
        if (args.some((key) => !key.endsWith(':lock'))) steps.push('job completed');
      }
    });
    consume({
      settle: async (items) => {
        expect(await countOutstanding(reader, lane)).toBe(1);
        steps.push('committed');
        return items.map(outcomeOf);
      },
    });
    await outcomesOf(await addAll(1));
    await vi.waitFor(() => expect(steps).toContain('job completed'), untilDone);
    monitor.disconnect();
    expect(steps).toEqual(['committed', 'entry removed', 'replied', 'job completed']);
  });

  it('runs a job again that could not be settled, whatever the error is called', async () => {
    // Proves that an unexpected error loses nothing and that the library fails no job (invariant 9).
    const unrecoverable = Object.assign(new Error('bullmq:rateLimitExceeded'), { name: 'UnrecoverableError' });
    let attempts = 0;
    consume({
      settle: async (items) => {
        attempts += 1;
        if (attempts < 3) throw unrecoverable;
        return items.map(outcomeOf);
      },
    });
    expect(await outcomesOf(await addAll(1))).toEqual(expectedOutcomes(1));
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
    expect(attempts).toBe(3);
    expect(log.lines.filter(({ message }) => message === 'a job will run again')).toHaveLength(2);
  });

  it('gives the same replies when a job runs twice at once', async () => {
    // Proves that a consumer which lost its lock does no harm: same reply again, entry gone, job done (invariant 7).
    const replies: string[] = [];
    subscribeReplies(side.channels, 'producer-1', (message) => replies.push(message));
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let runs = 0;
    const settle = async (items: readonly OpenItem[]) => {
      runs += 1;
      if (runs === 1) await held;
      return items.map(outcomeOf);
    };
    const first = consume({ settle, lockMs: 60_000 });
    const added = await addAll(1);
    await vi.waitFor(() => expect(runs).toBe(1), untilDone);
    // The lock of the first run is lost, as if it had been stopped for longer than it holds.
    const [addition] = added;
    const jobId = addition?.status === 'durable' ? addition.jobId : expect.fail('not durable');
    await reader.del(`${keys.job(lane, jobId)}:lock`);
    consume({ settle });
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(1));
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
    release();
    await vi.waitFor(() => expect(replies).toHaveLength(2), untilDone);
    expect(replies[1]).toBe(replies[0]);
    await first.close(10_000);
    expect(runs).toBe(2);
    expect(await readLaneStats(reader, [lane])).toMatchObject([{ waiting: 0, active: 0, failed: 0, outstanding: 0 }]);
    expect(await leftovers(reader)).toEqual([]);
  });

  it('completes a job that is not outstanding without a word', async () => {
    // Proves what happens to a job whose entry is gone: it is settled and told, or was never accepted, and nobody hears of it again.
    const replies: string[] = [];
    subscribeReplies(side.channels, 'producer-1', (message) => replies.push(message));
    const [addition] = await addAll(1);
    const jobId = addition?.status === 'durable' ? addition.jobId : expect.fail('not durable');
    await removeOutstanding(reader, lane, [jobId]);
    const queue = new Queue(lane, { connection: reader, prefix: laneKeyPrefix(lane) });
    await queue.add('items', { v: 2, what: 'ever' }, { ...laneJobOptions, jobId: 'odd-1' });
    const consumer: LaneConsumer<OpenItem, OpenOutcome> = consume({
      settle: async (items, job) => {
        const isOutstanding = (await consumer.findOutstanding([job.jobId, 'another'])).has(job.jobId);
        return isOutstanding ? items.map(outcomeOf) : undefined;
      },
    });
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
    expect(await outcomesOf(await addAll(1))).toEqual(expectedOutcomes(1));
    expect(replies.map((text) => (JSON.parse(text) as { jobId: string }).jobId)).not.toContain(jobId);
    expect(log.lines.filter(({ message }) => message === 'a job will run again')).toEqual([]);
    await queue.close();
  });

  it('takes over the jobs of a consumer that is gone', async () => {
    // Proves that what a dead process had under way runs again elsewhere, however it died.
    const gone = consume({ settle: async () => await new Promise(() => undefined) });
    const added = await addAll(8);
    await vi.waitFor(async () => expect(await readLaneStats(reader, [lane])).toMatchObject([{ active: 2 }]), untilDone);
    expect(await gone.close(50)).toEqual({ drained: false });
    consume();
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(8));
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
  });

  it('settles what was accepted before Redis was killed, with a consumer that outlived it', async () => {
    // Proves that accepted jobs survive by the append-only file and that workers come back by themselves (invariant 6).
    const settled = new Set<string>();
    let isDatabaseAway = true;
    consume({
      settle: async (items) => {
        if (isDatabaseAway) throw new Error('the database is away');
        for (const { packetId } of items) settled.add(packetId);
        return items.map(outcomeOf);
      },
    });
    const added = await addAll(40);
    expect(added.every(({ status }) => status === 'durable')).toBe(true);
    await redis.kill();
    isDatabaseAway = false;
    await redis.restart();
    await vi.waitFor(() => expect(settled.size).toBe(40), untilDone);
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
  });

  it('starts working when Redis comes up after it', async () => {
    // Proves that the order in which processes start does not matter.
    await redis.kill();
    consume();
    await redis.restart();
    expect(await whenRedisReady(side.client, 20_000)).toBe(true);
    expect(await side.channels.whenSubscribed(20_000)).toBe(true);
    expect(await outcomesOf(await addAll(4))).toEqual(expectedOutcomes(4));
  });

  it('sets a malformed job aside, once it is kept', async () => {
    // Proves that a job of another version becomes a dead letter and not an endless retry (invariant 9).
    const kept: MalformedJob[] = [];
    let attempts = 0;
    consume({
      onMalformed: async (job) => {
        attempts += 1;
        if (attempts === 1) throw new Error('the database is away');
        kept.push(job);
      },
    });
    const queue = new Queue(lane, { connection: reader, prefix: laneKeyPrefix(lane) });
    await reader.zadd(keys.outstanding(lane), 1, 'odd-1');
    await queue.add('items', { v: 2, what: 'ever' }, { ...laneJobOptions, jobId: 'odd-1' });
    await vi.waitFor(() => expect(kept).toHaveLength(1), untilDone);
    expect(kept[0]).toMatchObject({ lane, jobId: 'odd-1', data: { v: 2, what: 'ever' } });
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
    await queue.close();
  });

  it('finishes what is under way when it is closed, and nothing more', async () => {
    // Proves the drain: no job is cut off, none is begun.
    let begun = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const consumer = consume({
      jobsAtOnceMax: 2,
      settle: async (items) => {
        begun += 1;
        await held;
        return items.map(outcomeOf);
      },
    });
    await addAll(20);
    await vi.waitFor(() => expect(begun).toBe(2), untilDone);
    const closing = consumer.close(longMs);
    release();
    expect(await closing).toEqual({ drained: true });
    expect(begun).toBe(2);
    expect(await readLaneStats(reader, [lane])).toMatchObject([{ waiting: 3, active: 0, outstanding: 3 }]);
  });

  it.each(['after it worked', 'before it ever reached Redis'])('is closed while Redis is down, %s', async (when) => {
    // Proves that a shutdown cannot hang on Redis and leaves no connection that comes back with it.
    if (when === 'before it ever reached Redis') await redis.kill();
    const consumer = consume({ name: 'closed-one' });
    if (when === 'after it worked') {
      expect(await outcomesOf(await addAll(1))).toEqual(expectedOutcomes(1));
      await redis.kill();
    }
    const isTold = () => log.lines.some(({ fields }) => JSON.stringify(fields).includes('closed-one.open-0.blocking'));
    await vi.waitFor(() => expect(isTold()).toBe(true), untilDone);
    await consumer.close(100);
    await redis.restart();
    expect(await whenRedisReady(side.client, 20_000)).toBe(true);
    expect(await side.channels.whenSubscribed(20_000)).toBe(true);
    expect(await whenRedisReady(reader, 20_000)).toBe(true);
    expect(await reader.client('LIST')).not.toMatch(/closed-one|open-0/);
  });

  it('does nothing while it is paused and goes on when it is resumed', async () => {
    // Proves pause and resume. What was on its way when it paused may still come, and how many items go into a job depends on the moment.
    let begun = 0;
    const consumer = consume({
      settle: async (items) => {
        begun += 1;
        return items.map(outcomeOf);
      },
    });
    await outcomesOf(await addAll(1));
    await consumer.pause();
    const added = await addAll(40);
    const stats = await readLaneStats(reader, [lane]);
    expect(begun).toBeLessThanOrEqual(3);
    expect(stats[0]!.waiting).toBeGreaterThanOrEqual(5);
    consumer.resume();
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(40));
  });

  it('holds jobs back while it is slow, losing none', async () => {
    // Proves tier 3: work is deferred, and is done at once when the lane is fast again.
    let begun = 0;
    const consumer = consume({
      settle: async (items) => {
        begun += 1;
        return items.map(outcomeOf);
      },
    });
    consumer.setSlow(3_600_000);
    const added = await addAll(40);
    await vi.waitFor(async () => expect(await activeJobs()).toBe(10), untilDone);
    expect(begun).toBe(0);
    consumer.setSlow(0);
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(40));
    expect(begun).toBe(10);
  });

  const activeJobs = async () => (await readLaneStats(reader, [lane]))[0]!.active;

  it('takes as many jobs as make up a turn while it is slow, and not many more', async () => {
    // Proves that many small jobs are no slower than few large ones, and that what is held back has a limit.
    const jobsAtOnceMax = 4;
    const consumer = consume({ jobsAtOnceMax, slowItemsMax: 32 });
    consumer.setSlow(3_600_000);
    const added = await addAll(120);
    await vi.waitFor(async () => expect(await activeJobs()).toBeGreaterThanOrEqual(8), untilDone);
    for (let look = 0; look < 50; look++) expect(await activeJobs()).toBeLessThan(8 + jobsAtOnceMax);
    consumer.setSlow(0);
    expect(await outcomesOf(added)).toEqual(expectedOutcomes(120));
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
  });

  it('settles everything by turns while it is slow', async () => {
    // Proves that a slow lane drains on, in turns that are full: what is settled makes room for the next one.
    let underWay = 0;
    let most = 0;
    const consumer = consume({
      jobsAtOnceMax: 4,
      slowItemsMax: 8,
      settle: async (items) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        return items.map(outcomeOf);
      },
    });
    consumer.setSlow(50);
    expect(await outcomesOf(await addAll(80))).toEqual(expectedOutcomes(80));
    expect(most).toBe(2);
    await vi.waitFor(async () => expect(await leftovers(reader)).toEqual([]), untilDone);
  });
});
