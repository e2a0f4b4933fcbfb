import { randomBytes } from 'node:crypto';
import { jobItemsMax } from '#libs/contracts';
import type { Log, RedisClient, StoreClock } from '#libs/redis';
import { atMostEvery } from './at-most-every.ts';
import type { Lane } from './lane.ts';
import { LaneBuffer, type WaitingItem } from './lane-buffer.ts';
import { LaneWriter } from './lane-writer.ts';
import type { ReplyRegistry, ReplySlot } from './reply-registry.ts';

export interface LaneProducerOptions<Outcome> {
  /** A connection of role `producer`; it stays the caller's. */
  readonly client: RedisClient;
  readonly replies: ReplyRegistry<Outcome>;
  /** Producer id under which `replies` is fed; unique among processes. */
  readonly replyTo: string;
  /** The clock of the store that the lanes are in. */
  readonly clock: Pick<StoreClock, 'nowMs'>;
  readonly log: Log;
  /** Items of one lane that wait to be enqueued; one more is refused. */
  readonly laneBufferItemsMax?: number;
  /** Items of one job. */
  readonly flushItemsMax?: number;
  /** How long the first item of a job waits for others while the lane is not behind. */
  readonly lingerMinMs?: number;
  /** … and when it is far behind: larger jobs cost less each. */
  readonly lingerMaxMs?: number;
  /** Enqueues of one lane under way; then items wait in the buffer. */
  readonly addsInFlightMax?: number;
}

/**
 * What became of an item that was to be enqueued.
 * `durable`: its job is in Redis and in the outstanding index; only now may `pending` be said (invariant 6).
 * `queue_unavailable`: unknown. It may be accepted, before its deadline, or not at all: nothing may be concluded.
 * `buffer_full`, `too_late`: certainly not accepted.
 */
export type LaneAddition<Outcome> =
  | DurableAddition<Outcome>
  | { readonly status: 'queue_unavailable' | 'buffer_full' | 'too_late' };

export interface DurableAddition<Outcome> {
  readonly status: 'durable';
  readonly jobId: string;
  /** Place of the item in its job. */
  readonly position: number;
  /** The item's outcome; `undefined` when no reply came within `waitMs`. Infinity: for as long as its reply is expected at all. */
  whenReplied(waitMs: number): Promise<Outcome | undefined>;
}

export interface LaneProducerLoad {
  readonly itemsBuffered: number;
  readonly addsInFlight: number;
  /** Jobs enqueued whose reply has not come. */
  readonly jobsUnanswered: number;
}

const laneBufferItemsDefaultMax = 4096;
const lingerDefaultMinMs = 10;
const lingerDefaultMaxMs = 50;
const addsInFlightDefaultMax = 32;
/** In an outage every job fails: one line of many. */
const failureLogIntervalMs = 10_000;
/** Unanswered jobs of a lane that are no sign of being behind: what is under way at a reply time of some tens of ms. */
const jobsUnansweredFew = 8;
/** … and from which on it is far behind. */
const jobsUnansweredMany = 40;

const unavailable = { status: 'queue_unavailable' } as const;
const tooLate = { status: 'too_late' } as const;
const bufferFull = { status: 'buffer_full' } as const;
const late = { whileWaiting: tooLate, whenTaken: unavailable };

/** How long to gather a job: from `minMs` to `maxMs` as the replies of a lane fall behind. */
export function lingerMs(jobsUnanswered: number, minMs: number, maxMs: number): number {
  const behind = (jobsUnanswered - jobsUnansweredFew) / (jobsUnansweredMany - jobsUnansweredFew);
  return minMs + (maxMs - minMs) * Math.min(Math.max(behind, 0), 1);
}

/** An item and the store-clock ms by which it is accepted or never. */
interface TimedItem<Item> {
  readonly item: Item;
  readonly deadlineMs: number;
}

interface LaneState<Item, Outcome> {
  readonly buffer: LaneBuffer<TimedItem<Item>, LaneAddition<Outcome>>;
  addsInFlight: number;
  jobsUnanswered: number;
  timer: NodeJS.Timeout | undefined;
}

/** Gathers items into micro-batches and makes each durable in its lane. Never blocks on Redis beyond the time an item has. */
export class LaneProducer<Item extends { readonly acceptedAtMs: number }, Outcome> {
  private readonly laneBufferItemsMax: number;
  private readonly flushItemsMax: number;
  private readonly lingerMinMs: number;
  private readonly lingerMaxMs: number;
  private readonly addsInFlightMax: number;
  private readonly lanes = new Map<Lane, LaneState<Item, Outcome>>();
  private readonly writer: LaneWriter<Item>;
  private readonly inFlight = new Set<Promise<void>>();
  /** Tells this process's jobs from those of any other, before and after; not an integer and without a colon, as BullMQ wants it. */
  private readonly jobIdPrefix = `j${randomBytes(9).toString('base64url')}`;
  private readonly logFailure = atMostEvery(failureLogIntervalMs, (lane: Lane, error: unknown) =>
    this.options.log.warn({ lane, err: error }, 'jobs may not have been enqueued'),
  );
  private jobsMade = 0;
  private isClosed = false;

  constructor(private readonly options: LaneProducerOptions<Outcome>) {
    this.laneBufferItemsMax = options.laneBufferItemsMax ?? laneBufferItemsDefaultMax;
    this.flushItemsMax = Math.min(options.flushItemsMax ?? jobItemsMax, jobItemsMax);
    this.lingerMinMs = options.lingerMinMs ?? lingerDefaultMinMs;
    this.lingerMaxMs = options.lingerMaxMs ?? lingerDefaultMaxMs;
    this.addsInFlightMax = options.addsInFlightMax ?? addsInFlightDefaultMax;
    this.writer = new LaneWriter(options.client, options.replyTo);
  }

  /**
   * Enqueues an item before `deadlineMs` (store clock) or not at all. Never rejects; settles when the item is durable, refused, or its
   * time is over. An item whose time passes while it waits is not enqueued any more, and one that waits on its way to Redis is refused
   * there.
   */
  add(lane: Lane, item: Item, deadlineMs: number): Promise<LaneAddition<Outcome>> {
    const nowMs = this.options.clock.nowMs();
    if (this.isClosed || nowMs === undefined) return Promise.resolve(unavailable);
    if (deadlineMs <= nowMs) return Promise.resolve(tooLate);
    const state = this.stateOf(lane);
    if (state.buffer.size >= this.laneBufferItemsMax) return Promise.resolve(bufferFull);
    const addition = state.buffer.add({ item, deadlineMs }, deadlineMs - nowMs, late);
    this.schedule(lane, state);
    return addition;
  }

  load(): LaneProducerLoad {
    const states = [...this.lanes.values()];
    const sum = (of: (state: LaneState<Item, Outcome>) => number) => states.reduce((total, it) => total + of(it), 0);
    return {
      itemsBuffered: sum((state) => state.buffer.size),
      addsInFlight: sum((state) => state.addsInFlight),
      jobsUnanswered: sum((state) => state.jobsUnanswered),
    };
  }

  /** Refuses new items, enqueues what is gathered, and waits for that up to `timeoutMs`. The connection stays open. */
  async close(timeoutMs: number): Promise<void> {
    this.isClosed = true;
    const deadline = performance.now() + timeoutMs;
    for (const [lane, state] of this.lanes) this.flush(lane, state);
    while (this.inFlight.size > 0 && performance.now() < deadline) {
      await within(deadline - performance.now(), Promise.race(this.inFlight));
    }
    for (const state of this.lanes.values()) clearTimeout(state.timer);
    await this.writer.close();
  }

  private stateOf(lane: Lane): LaneState<Item, Outcome> {
    const known = this.lanes.get(lane);
    if (known) return known;
    const state = {
      buffer: new LaneBuffer<TimedItem<Item>, LaneAddition<Outcome>>(),
      addsInFlight: 0,
      jobsUnanswered: 0,
      timer: undefined,
    };
    this.lanes.set(lane, state);
    return state;
  }

  /** A full job goes at once; a smaller one when its first item has lingered. */
  private schedule(lane: Lane, state: LaneState<Item, Outcome>): void {
    if (state.buffer.size >= this.flushItemsMax) this.flush(lane, state);
    if (state.buffer.size === 0 || state.timer !== undefined) return;
    const delayMs = lingerMs(state.jobsUnanswered, this.lingerMinMs, this.lingerMaxMs);
    state.timer = setTimeout(() => this.flush(lane, state), delayMs);
  }

  private flush(lane: Lane, state: LaneState<Item, Outcome>): void {
    clearTimeout(state.timer);
    state.timer = undefined;
    while (state.buffer.size > 0 && state.addsInFlight < this.addsInFlightMax) {
      const batch = state.buffer.take(this.flushItemsMax);
      if (batch.length === 0) continue;
      const sending = this.send(lane, state, batch);
      this.inFlight.add(sending);
      void sending.finally(() => this.inFlight.delete(sending));
    }
  }

  private async send(
    lane: Lane,
    state: LaneState<Item, Outcome>,
    batch: WaitingItem<TimedItem<Item>, LaneAddition<Outcome>>[],
  ): Promise<void> {
    const jobId = this.nextJobId();
    const slot = this.expectReply(lane, jobId, state);
    state.addsInFlight += 1;
    try {
      const items = batch.map((waiting) => waiting.item.item);
      const deadlineMs = Math.min(...batch.map((waiting) => waiting.item.deadlineMs));
      const isAccepted = await this.writer.write(lane, jobId, items, deadlineMs);
      if (!isAccepted) slot?.close();
      for (const [position, waiting] of batch.entries()) {
        if (!isAccepted) waiting.settle(tooLate);
        // an acknowledgement that was read late says nothing about now: the entry may have been dropped as an orphan since
        else waiting.settle(waiting.isLate() ? unavailable : new Durable(jobId, position, slot));
      }
    } catch (error) {
      slot?.close();
      for (const waiting of batch) waiting.settle(unavailable);
      this.logFailure(lane, error);
    } finally {
      state.addsInFlight -= 1;
      // Nothing lingers: what is left was held back by `addsInFlightMax`.
      if (state.timer === undefined) this.flush(lane, state);
    }
  }

  private expectReply(lane: Lane, jobId: string, state: LaneState<Item, Outcome>): ReplySlot<Outcome> | undefined {
    const slot = this.options.replies.expect(lane, jobId, () => {
      state.jobsUnanswered -= 1;
    });
    if (slot) state.jobsUnanswered += 1;
    return slot;
  }

  private nextJobId(): string {
    this.jobsMade += 1;
    return `${this.jobIdPrefix}-${this.jobsMade.toString(36)}`;
  }
}

class Durable<Outcome> implements DurableAddition<Outcome> {
  readonly status = 'durable';

  constructor(
    readonly jobId: string,
    readonly position: number,
    private readonly slot: ReplySlot<Outcome> | undefined,
  ) {}

  whenReplied(waitMs: number): Promise<Outcome | undefined> {
    return this.slot === undefined ? Promise.resolve(undefined) : this.slot.outcomeAt(this.position, waitMs);
  }
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
