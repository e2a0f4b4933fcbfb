import {
  type GrabItem,
  type GrabOutcome,
  grabJobSchema,
  jobItemsMax,
  type OpenItem,
  type OpenOutcome,
  openJobSchema,
} from '#libs/contracts';
import { grabLane, LaneConsumer, MergingBatcher, openLane } from '#libs/queue';
import type { Logger } from '#libs/runtime';
import type { DeadLetterBox } from '../dead-letters/dead-letter-box.ts';
import type { LaneItem, SettleItemsOptions } from './item-settler.ts';

/** Settlement calls of each kind at once: each holds a connection of the money pool while it runs. */
export const openCallsMax = 2;
export const grabCallsMax = 1;

/** Jobs of one lane under way: what a batcher can merge. */
const jobsAtOnceMax = 32;
/** Items of one settlement call: larger ones hold their users' locks longer and save no more round trips worth it. */
const batchItemsMax = 1024;
/** Pace of a grab lane while grabs are deferred: one micro-batch per second, so lanes drain on, slowly. */
export const slowGrabMs = 1000;

type Settler<Item, Outcome> = {
  settle(entries: readonly LaneItem<Item>[], options: SettleItemsOptions<Item>): Promise<Outcome[]>;
};

export interface LaneWorkersDeps {
  readonly redisUrl: string;
  readonly name: string;
  readonly logger: Logger;
  readonly openLaneCount: number;
  readonly grabLaneCount: number;
  readonly opens: Settler<OpenItem, OpenOutcome>;
  readonly grabs: Settler<GrabItem, GrabOutcome>;
  readonly letters: DeadLetterBox;
}

/** The consumers of all lanes of this process, merged into one batcher per kind. */
export class LaneWorkers {
  private readonly stopping = new AbortController();
  private readonly openConsumers: readonly LaneConsumer<OpenItem, OpenOutcome>[];
  private readonly grabConsumers: readonly LaneConsumer<GrabItem, GrabOutcome>[];

  constructor(private readonly deps: LaneWorkersDeps) {
    const opens = this.batcher<OpenItem, OpenOutcome>('open', deps.opens, deps.openLaneCount, openCallsMax);
    const grabs = this.batcher<GrabItem, GrabOutcome>('grab', deps.grabs, deps.grabLaneCount, grabCallsMax);
    const shared = { redisUrl: deps.redisUrl, name: deps.name, log: deps.logger, jobsAtOnceMax };
    this.openConsumers = Array.from({ length: deps.openLaneCount }, (_, no) => {
      return new LaneConsumer({
        ...shared,
        lane: openLane(no),
        jobSchema: openJobSchema,
        settle: (items, { lane }) => opens.submit(items.map((item) => ({ item, lane }))),
        onMalformed: (job) => deps.letters.keepMalformed('open', job),
      });
    });
    this.grabConsumers = Array.from({ length: deps.grabLaneCount }, (_, no) => {
      return new LaneConsumer({
        ...shared,
        lane: grabLane(no),
        jobSchema: grabJobSchema,
        settle: (items, { lane }) => grabs.submit(items.map((item) => ({ item, lane }))),
        onMalformed: (job) => deps.letters.keepMalformed('grab', job),
      });
    });
  }

  /** Fires when the process stops: nothing waits for a database that is away any more. */
  get stopped(): AbortSignal {
    return this.stopping.signal;
  }

  start(): void {
    for (const consumer of [...this.openConsumers, ...this.grabConsumers]) consumer.start();
  }

  /** Tier 3 and up: grabs are accepted and settled later. */
  deferGrabs(isDeferred: boolean): void {
    for (const consumer of this.grabConsumers) consumer.setSlow(isDeferred ? slowGrabMs : 0);
  }

  /** Takes no more jobs and finishes those under way; what is not finished within `timeoutMs` runs again elsewhere. */
  async close(timeoutMs: number): Promise<void> {
    this.stopping.abort();
    const consumers = [...this.openConsumers, ...this.grabConsumers];
    const closed = await Promise.all(consumers.map((consumer) => consumer.close(timeoutMs)));
    const undrained = closed.filter(({ drained }) => !drained).length;
    if (undrained > 0)
      this.deps.logger.warn({ lanes: undrained }, 'lanes were left with jobs under way: they run again');
  }

  private batcher<Item extends OpenItem | GrabItem, Outcome>(
    kind: 'open' | 'grab',
    settler: Settler<Item, Outcome>,
    laneCount: number,
    callsInFlightMax: number,
  ): MergingBatcher<LaneItem<Item>, Outcome> {
    const bury = (entry: LaneItem<Item>, error: unknown) => this.deps.letters.keep(kind, entry, error);
    return new MergingBatcher<LaneItem<Item>, Outcome>({
      settleBatch: (entries) => settler.settle(entries, { bury, stopped: this.stopped }),
      batchItemsMax,
      callsInFlightMax,
      itemsWaitingMax: laneCount * jobsAtOnceMax * jobItemsMax,
    });
  }
}
