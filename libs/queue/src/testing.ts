import { type OpenItem, type OpenOutcome, openJobSchema, openReplySchema } from '#libs/contracts';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  keys,
  type Log,
  type RedisClient,
  subscribeReplies,
  whenRedisReady,
} from '#libs/redis';
import { type Lane, openLane } from './lane.ts';
import { LaneConsumer, type LaneConsumerOptions } from './lane-consumer.ts';
import { LaneProducer, type LaneProducerOptions } from './lane-producer.ts';
import { ReplyRegistry } from './reply-registry.ts';

export const lane: Lane = openLane(0);

export const openItem = (no: number, acceptedAtMs = 1_800_000_000_000 + no): OpenItem => ({
  packetId: String(no + 1),
  eventId: 1,
  userId: `user-${no}`,
  epoch: 0,
  sponsorNo: 0,
  acceptedAtMs,
});

/** The outcome that the tests' settlements give: it names its item, so that a mix-up shows. */
export const outcomeOf = (item: OpenItem): OpenOutcome => ({ outcome: 'credited', amountFen: Number(item.packetId) });

/** A deadline by the store's clock, which is this machine's in tests. */
export const deadlineIn = (ms: number): number => Date.now() + ms;

export interface TestSide {
  readonly client: RedisClient;
  readonly producer: LaneProducer<OpenItem, OpenOutcome>;
  readonly channels: ChannelSubscriber;
  close(): Promise<void>;
}

/** A producing process with its replies; `ready` waits for its connections. */
export async function startProducer(
  redisUrl: string,
  log: Log,
  options: Partial<LaneProducerOptions<OpenOutcome>> & {
    readonly id?: string;
    readonly commandTimeoutMs?: number;
  } = {},
): Promise<TestSide> {
  const { id = 'producer-1', commandTimeoutMs = 1000, ...rest } = options;
  const client = createRedis('producer', redisUrl, { name: id, log, commandTimeoutMs });
  const channels = new ChannelSubscriber(createRedis('subscriber', redisUrl, { name: `${id}.replies`, log }), log);
  const replies = new ReplyRegistry<OpenOutcome>({ replySchema: openReplySchema, log });
  subscribeReplies(channels, id, (message) => replies.accept(message));
  const clock = { nowMs: Date.now };
  const producer = new LaneProducer<OpenItem, OpenOutcome>({ client, replies, replyTo: id, clock, log, ...rest });
  const close = async () => {
    await producer.close(1000);
    replies.close();
    await channels.close();
    await closeRedis(client);
  };
  return { client, producer, channels, close };
}

/** As `startProducer`, with Redis up and the replies subscribed. */
export async function startReadyProducer(...args: Parameters<typeof startProducer>): Promise<TestSide> {
  const side = await startProducer(...args);
  if (!(await whenRedisReady(side.client, 10_000)) || !(await side.channels.whenSubscribed(10_000))) {
    throw new Error('Redis is not up');
  }
  return side;
}

export type TestConsumerOptions = Partial<LaneConsumerOptions<OpenItem, OpenOutcome>>;

/** A consumer that takes jobs from dead ones within a second or so; started. */
export function startConsumer(
  redisUrl: string,
  log: Log,
  options: TestConsumerOptions = {},
): LaneConsumer<OpenItem, OpenOutcome> {
  const consumer = new LaneConsumer<OpenItem, OpenOutcome>({
    lane,
    redisUrl,
    name: 'consumer',
    log,
    jobSchema: openJobSchema,
    settle: async (items) => items.map(outcomeOf),
    onMalformed: async ({ error }) => {
      throw new Error(error);
    },
    lockMs: 400,
    stalledCheckMs: 200,
    ...options,
  });
  consumer.start();
  return consumer;
}

/** Keys of a lane that hold a job, a lock or an entry: none once everything is done. */
export async function leftovers(client: RedisClient): Promise<string[]> {
  const present = await client.keys(`${keys.lanePrefix(lane)}:*`.replaceAll('{', '\\{'));
  const settled = ['meta', 'id', 'events', 'marker', 'stalled-check', 'stalled'].map((type) => keys.job(lane, type));
  return present.filter((key) => !settled.includes(key));
}
