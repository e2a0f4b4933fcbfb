/** What a gateway and the share service do with Redis, without their HTTP: takes blocks, sends opens and grabs through the lanes. */
import {
  type GrabItem,
  type GrabOutcome,
  grabReplySchema,
  type OpenItem,
  type OpenOutcome,
  openReplySchema,
} from '#libs/contracts';
import type { EventRecord } from '#libs/database';
import { indexesOf, laneOfBlock, laneOfPacket, packetIdOf } from '#libs/domain';
import {
  addOutstanding,
  type DurableAddition,
  grabLane,
  type Lane,
  LaneProducer,
  openLane,
  ReplyRegistry,
  removeOutstanding,
} from '#libs/queue';
import {
  ChannelSubscriber,
  closeRedis,
  createRedis,
  EventReader,
  exchangeStock,
  keys,
  type RedisClient,
  StoreClock,
  subscribeReplies,
} from '#libs/redis';
import { createLogger } from '#libs/runtime';

const acceptMaxMs = 2000;
const replyWaitMs = 20_000;
const blocksPerTakeMax = 1000;
const log = createLogger('test-gateway', 'silent');

/** A packet as a gateway could issue it. */
export interface Issued {
  readonly eventId: number;
  readonly poolId: number;
  readonly sponsorNo: number;
  readonly blockNo: number;
  readonly index: number;
  readonly packetId: bigint;
  readonly epoch: number;
  readonly issueUntilMs: number;
}

export class TestGateway {
  readonly clock: StoreClock;
  readonly events: EventReader;
  private readonly openReplies = new ReplyRegistry<OpenOutcome>({ replySchema: openReplySchema, log });
  private readonly grabReplies = new ReplyRegistry<GrabOutcome>({ replySchema: grabReplySchema, log });
  private readonly opens: LaneProducer<OpenItem, OpenOutcome>;
  private readonly grabs: LaneProducer<GrabItem, GrabOutcome>;

  private constructor(
    readonly cache: RedisClient,
    private readonly producer: RedisClient,
    private readonly channels: ChannelSubscriber,
  ) {
    this.clock = new StoreClock(cache);
    this.events = new EventReader(cache);
    const shared = { client: producer, clock: this.clock, log };
    this.opens = new LaneProducer({ ...shared, replies: this.openReplies, replyTo: 'test-opens' });
    this.grabs = new LaneProducer({ ...shared, replies: this.grabReplies, replyTo: 'test-grabs' });
    subscribeReplies(channels, 'test-opens', (message) => this.openReplies.accept(message));
    subscribeReplies(channels, 'test-grabs', (message) => this.grabReplies.accept(message));
  }

  static async connect(redisUrl: string): Promise<TestGateway> {
    const client = (role: 'cache' | 'producer' | 'subscriber') =>
      createRedis(role, redisUrl, { name: `test.${role}`, log });
    const gateway = new TestGateway(
      client('cache'),
      client('producer'),
      new ChannelSubscriber(client('subscriber'), log),
    );
    gateway.clock.start();
    if (!(await gateway.clock.whenReady(10_000))) throw new Error('the test gateway has no clock');
    if (!(await gateway.channels.whenSubscribed(10_000))) throw new Error('the test gateway hears nothing');
    return gateway;
  }

  nowMs(): number {
    return this.clock.nowMs()!;
  }

  /** Takes what is in stock of an event, and gives every packet that may be issued; none while the store is another one. */
  async take(event: EventRecord): Promise<Issued[]> {
    const wanted = event.pools.map(({ poolId }) => ({ poolId, blocksMax: blocksPerTakeMax }));
    const taken = await exchangeStock(this.cache, { wanted, poolIds: [] });
    if (taken.status !== 'ok') return [];
    return event.pools.flatMap(({ poolId, sponsorNo }) =>
      taken.blocks.get(poolId)!.flatMap(({ blockNo, epoch, issueUntilMs, mask, skip = 0, count }) =>
        indexesOf(Buffer.from(mask, 'base64url'))
          .slice(skip, skip + count)
          .map((index) => {
            const packetId = packetIdOf({ poolId, blockNo, index });
            return { eventId: event.id, poolId, sponsorNo, blockNo, index, packetId, epoch, issueUntilMs };
          }),
      ),
    );
  }

  openItem(packet: Issued, userId: string, acceptedAtMs = this.nowMs()): OpenItem {
    const { packetId, eventId, epoch, sponsorNo } = packet;
    return { packetId: String(packetId), eventId, userId, epoch, sponsorNo, acceptedAtMs };
  }

  /** Makes an open durable; its outcome comes with `whenReplied`. */
  async send(event: EventRecord, packet: Issued, item: OpenItem): Promise<DurableAddition<OpenOutcome>> {
    const lane = openLane(laneOfBlock(packet.poolId, packet.blockNo, event.openLaneCount!));
    const addition = await this.opens.add(lane, item, this.nowMs() + acceptMaxMs);
    if (addition.status !== 'durable') throw new Error(`the open is ${addition.status}`);
    return addition;
  }

  async open(
    event: EventRecord,
    packet: Issued,
    userId: string,
    acceptedAtMs?: number,
  ): Promise<OpenOutcome | undefined> {
    const addition = await this.send(event, packet, this.openItem(packet, userId, acceptedAtMs));
    return addition.whenReplied(replyWaitMs);
  }

  async grab(event: EventRecord, packet: Issued, ownerId: string, userId: string): Promise<GrabOutcome | undefined> {
    const { packetId, eventId, epoch, sponsorNo } = packet;
    const lane = grabLane(laneOfPacket(packetId, event.grabLaneCount!));
    const acceptedAtMs = this.nowMs();
    const item = { packetId: String(packetId), eventId, ownerId, userId, epoch, sponsorNo, acceptedAtMs };
    const addition = await this.grabs.add(lane, item, acceptedAtMs + acceptMaxMs);
    if (addition.status !== 'durable') throw new Error(`the grab is ${addition.status}`);
    return addition.whenReplied(replyWaitMs);
  }

  /** As if a job were on its way for as long as the test wants: its entry, and what shows that it is no orphan. */
  async holdLane(lane: Lane, jobId: string, acceptedAtMs: number): Promise<void> {
    await this.cache.set(keys.job(lane, jobId), 'under way');
    await addOutstanding(this.cache, lane, jobId, acceptedAtMs);
  }

  async letLaneGo(lane: Lane, jobId: string): Promise<void> {
    await removeOutstanding(this.cache, lane, [jobId]);
    await this.cache.del(keys.job(lane, jobId));
  }

  async close(): Promise<void> {
    await Promise.all([this.opens.close(1000), this.grabs.close(1000)]);
    this.openReplies.close();
    this.grabReplies.close();
    this.clock.stop();
    await Promise.all([this.channels.close(), closeRedis(this.producer), closeRedis(this.cache)]);
  }
}
