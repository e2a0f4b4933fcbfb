import { Queue } from 'bullmq';
import type { RedisClient } from '#libs/redis';
import { type Lane, type LaneJob, laneEventsMax, laneJobName, laneJobOptions, laneKeyPrefix } from './lane.ts';
import { addOutstanding } from './outstanding.ts';

/** Makes a job durable in its lane: the outstanding entry and the BullMQ job, over one connection of role `producer`. */
export class LaneWriter<Item extends { readonly acceptedAtMs: number }> {
  private readonly queues = new Map<Lane, Queue<LaneJob<Item>>>();
  /** Lanes whose settings were sent over the present connection. */
  private readonly configured = new Set<Lane>();
  private readonly forgetConfigured = () => this.configured.clear();

  constructor(
    private readonly client: RedisClient,
    private readonly replyTo: string,
  ) {
    client.on('ready', this.forgetConfigured);
  }

  /**
   * Resolves once the entry in the outstanding index is answered and the job acknowledged. The entry goes first, on the same connection,
   * with the oldest acceptance of the batch as its score: the index never says that a lane is quieter than it is (invariant 3).
   * @returns whether the store took the entry: it refuses one that comes after `deadlineMs` by its own clock, and the job is nothing then.
   * @throws the client's error: accepted or not, and if so before `deadlineMs`.
   */
  async write(lane: Lane, jobId: string, items: readonly Item[], deadlineMs: number): Promise<boolean> {
    const queue = this.queueOf(lane);
    const acceptedAtMs = items.reduce((oldest, item) => Math.min(oldest, item.acceptedAtMs), Number.POSITIVE_INFINITY);
    const [isEntered] = await Promise.all([
      addOutstanding(this.client, lane, jobId, acceptedAtMs, deadlineMs),
      this.configure(lane, queue),
      queue.add(laneJobName, { v: 1, replyTo: this.replyTo, items }, { jobId }),
    ]);
    return isEntered;
  }

  async close(): Promise<void> {
    this.client.off('ready', this.forgetConfigured);
    await Promise.all([...this.queues.values()].map(async (queue) => await queue.close()));
  }

  private queueOf(lane: Lane): Queue<LaneJob<Item>> {
    const known = this.queues.get(lane);
    if (known) return known;
    const queue = new Queue<LaneJob<Item>>(lane, {
      connection: this.client,
      prefix: laneKeyPrefix(lane),
      defaultJobOptions: laneJobOptions,
      // Both, or a queue that was made while Redis was down stays dead: it would wait for, or give up at, its first commands.
      skipWaitingForReady: true,
      skipVersionCheck: true,
      // Written by `configure`: BullMQ writes it once, and not at all when Redis is down just then.
      skipMetasUpdate: true,
    });
    // The connection's owner logs its outages; without a listener each of them would be thrown here.
    queue.on('error', () => undefined);
    this.queues.set(lane, queue);
    return queue;
  }

  /** Once per connection: the lane's limit for BullMQ's event stream, in the field that its scripts read. */
  private async configure(lane: Lane, queue: Queue<LaneJob<Item>>): Promise<void> {
    if (this.configured.has(lane)) return;
    this.configured.add(lane);
    await this.client.hset(queue.keys['meta']!, 'opts.maxLenEvents', laneEventsMax);
  }
}
