import { setTimeout as delay } from 'node:timers/promises';
import type { GrabItem, OpenItem } from '#libs/contracts';
import { grabLane, type Lane, LaneWriter, openLane } from '#libs/queue';
import { closeRedis, createRedis, keys, type RedisClient } from '#libs/redis';
import type { FaultOf } from './round-plan.ts';
import { RunningTime } from './running-time.ts';
import { patiently } from './store-faults.ts';
import type { ChaosSystem } from './system.ts';

/** The lanes of the services' default configuration. */
const openLanes = Array.from({ length: 4 }, (_, no) => openLane(no));
const grabLanes = Array.from({ length: 2 }, (_, no) => grabLane(no));
const lanes: readonly Lane[] = [...openLanes, ...grabLanes];

const lookPauseMs = 20;
/** Replies to what is put in again go nowhere. */
const nobody = 'chaos';
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

type Item = OpenItem | GrabItem;

/** Where BullMQ keeps the ids of a lane's jobs. */
function listOf(lane: Lane, list: 'wait' | 'active'): string {
  return keys.job(lane, list);
}

/** Jobs under way at this instant; 0 when Redis does not say. */
export async function countActiveJobs(client: RedisClient): Promise<number> {
  const counts = await Promise.all(lanes.map((lane) => client.llen(listOf(lane, 'active')))).catch(() => []);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Resolves when no lane has a job that waits, runs or is put off. */
export async function awaitEmptyLanes(client: RedisClient, timeoutMs: number): Promise<boolean> {
  const time = new RunningTime();
  for (;;) {
    const counts = await patiently(() =>
      Promise.all(
        lanes.flatMap((lane) => [
          client.llen(listOf(lane, 'wait')),
          client.llen(listOf(lane, 'active')),
          client.zcard(keys.job(lane, 'delayed')),
        ]),
      ),
    );
    if (counts.every((count) => count === 0)) return true;
    if (time.elapsedMs > timeoutMs) return false;
    await delay(lookPauseMs);
  }
}

/** Jobs that the library gave up: none, ever (invariant 9). */
export async function countFailedJobs(client: RedisClient): Promise<number> {
  const counts = await patiently(() => Promise.all(lanes.map((lane) => client.zcard(keys.job(lane, 'failed')))));
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Copies all jobs that it sees, and puts each into its lane again later, when the first is done as a rule. The copy of a job that is
 * outstanding is so from the moment it is seen on, as if it had been accepted twice; any other copy is one that nobody accepted.
 */
export async function putJobsAgain(
  system: ChaosSystem,
  { forMs, laterMs }: FaultOf<'jobs-again'>,
  count: (name: string) => void,
): Promise<number> {
  const client = createRedis('producer', system.redisUrl, { name: nobody, log });
  const writer = new LaneWriter<Item>(client, nobody);
  const seen = new Set<string>();
  const additions: Promise<void>[] = [];
  const again = async ({ lane, jobId, items }: SeenJob): Promise<void> => {
    const copyId = `${nobody}-${jobId}`;
    const isAccepted = await copyEntry(client, lane, jobId, copyId).catch(() => undefined);
    await delay(laterMs);
    // its entry is there or is not: none comes with the job
    const added = await writer.write(lane, copyId, items, 0).then(
      () => 'put',
      () => 'perhaps put',
    );
    count(`jobs again ${isAccepted ? 'accepted' : 'not accepted'}, ${added}`);
  };
  const deadline = performance.now() + forMs;
  while (performance.now() < deadline) {
    for (const job of await lookAtJobs(system.cache, seen)) additions.push(again(job));
    await delay(lookPauseMs);
  }
  await Promise.all(additions);
  await writer.close();
  await closeRedis(client);
  return additions.length;
}

/** Enters the copy of a job into the outstanding index with the acceptance of its original, if that is in it. */
async function copyEntry(client: RedisClient, lane: Lane, jobId: string, copyId: string): Promise<boolean> {
  const lua = `
    local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
    return score and redis.call('ZADD', KEYS[1], score, ARGV[2]) or 0`;
  return (await client.eval(lua, 1, keys.outstanding(lane), jobId, copyId)) === 1;
}

interface SeenJob {
  readonly lane: Lane;
  readonly jobId: string;
  readonly items: Item[];
}

/** The jobs that were not seen before, but for copies. */
async function lookAtJobs(client: RedisClient, seen: Set<string>): Promise<SeenJob[]> {
  const found = lanes.map(async (lane) => {
    const lists = await Promise.all(
      (['wait', 'active'] as const).map((list) => client.lrange(listOf(lane, list), 0, -1)),
    );
    const ids = lists.flat().filter((id) => !seen.has(id) && !id.startsWith(nobody));
    for (const id of ids) seen.add(id);
    const texts = await Promise.all(ids.map((id) => client.hget(keys.job(lane, id), 'data')));
    return texts.map((text, i) => ({ lane, jobId: ids[i]!, items: itemsOf(text) }));
  });
  const jobs = await Promise.all(found).catch(() => []);
  return jobs.flat().filter(({ items }) => items.length > 0);
}

/** None of a job that is done meanwhile. */
function itemsOf(text: string | null): Item[] {
  return (JSON.parse(text ?? '{}') as { items?: Item[] }).items ?? [];
}

/** Publishes every reply that it hears once more. */
export async function repeatReplies(system: ChaosSystem, forMs: number): Promise<number> {
  const ears = createRedis('subscriber', system.redisUrl, { name: nobody, log });
  const mouth = createRedis('cache', system.redisUrl, { name: nobody, log });
  const own = new Map<string, number>();
  let repeated = 0;
  ears.on('pmessage', (_pattern: string, channel: string, message: string) => {
    const echoes = own.get(message) ?? 0;
    if (echoes > 0) return void own.set(message, echoes - 1);
    own.set(message, 1);
    repeated += 1;
    mouth.publish(channel, message).catch(() => own.delete(message));
  });
  await patiently(() => ears.psubscribe(keys.reply('*')));
  await delay(forMs);
  await Promise.all([closeRedis(ears), closeRedis(mouth)]);
  return repeated;
}
