import { setTimeout as delay } from 'node:timers/promises';
import { type GrabItem, grabReplySchema, type OpenItem, openReplySchema } from '#libs/contracts';
import { grabLane, type Lane, LaneProducer, openLane, ReplyRegistry } from '#libs/queue';
import { closeRedis, createRedis, keys, type RedisClient } from '#libs/redis';
import type { FaultOf } from './round-plan.ts';
import { patiently } from './store-faults.ts';
import type { ChaosSystem } from './system.ts';

/** The lanes of the services' default configuration. */
const openLanes = Array.from({ length: 4 }, (_, no) => openLane(no));
const grabLanes = Array.from({ length: 2 }, (_, no) => grabLane(no));
const lanes: readonly Lane[] = [...openLanes, ...grabLanes];

const lookPauseMs = 20;
const addWithinMs = 5000;
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
  const deadline = performance.now() + timeoutMs;
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
    if (performance.now() > deadline) return false;
    await delay(lookPauseMs);
  }
}

/** Jobs that the library gave up: none, ever (invariant 9). */
export async function countFailedJobs(client: RedisClient): Promise<number> {
  const counts = await patiently(() => Promise.all(lanes.map((lane) => client.zcard(keys.job(lane, 'failed')))));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Copies the items of all jobs that it sees, and puts each into its lane again later, when the first is done as a rule. */
export async function putJobsAgain(
  system: ChaosSystem,
  { forMs, laterMs }: FaultOf<'jobs-again'>,
  count: (name: string) => void,
): Promise<number> {
  const client = createRedis('producer', system.redisUrl, { name: nobody, log });
  const producers = {
    open: producerOf<OpenItem>(client, openReplySchema),
    grab: producerOf<GrabItem>(client, grabReplySchema),
  };
  const seen = new Set<string>();
  const additions: Promise<void>[] = [];
  const again = async (lane: Lane, item: Item): Promise<void> => {
    await delay(laterMs);
    const kind = lane.startsWith('open') ? 'open' : 'grab';
    const added = await producers[kind].add(lane, item as never, addWithinMs);
    count(`jobs again ${added.status}`);
  };
  const deadline = performance.now() + forMs;
  while (performance.now() < deadline) {
    for (const { lane, items } of await lookAtJobs(system.cache, seen))
      additions.push(...items.map((item) => again(lane, item)));
    await delay(lookPauseMs);
  }
  await Promise.all(additions);
  await Promise.all(Object.values(producers).map((producer) => producer.close(addWithinMs)));
  await closeRedis(client);
  return additions.length;
}

function producerOf<I extends Item>(client: RedisClient, replySchema: never | object): LaneProducer<I, unknown> {
  const replies = new ReplyRegistry<unknown>({ replySchema: replySchema as never, log });
  return new LaneProducer<I, unknown>({ client, replies, replyTo: nobody, log });
}

/** The jobs that were not seen before. */
async function lookAtJobs(client: RedisClient, seen: Set<string>): Promise<{ lane: Lane; items: Item[] }[]> {
  const found = lanes.map(async (lane) => {
    const lists = await Promise.all(
      (['wait', 'active'] as const).map((list) => client.lrange(listOf(lane, list), 0, -1)),
    );
    const ids = lists.flat().filter((id) => !seen.has(id));
    for (const id of ids) seen.add(id);
    const texts = await Promise.all(ids.map((id) => client.hget(keys.job(lane, id), 'data')));
    return texts.map((text) => ({ lane, items: itemsOf(text) }));
  });
  return await Promise.all(found).then(
    (jobs) => jobs.flat(),
    () => [],
  );
}

function itemsOf(text: string | null): Item[] {
  const job = JSON.parse(text ?? '{}') as { replyTo?: string; items?: Item[] };
  return job.replyTo === nobody ? [] : (job.items ?? []);
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
