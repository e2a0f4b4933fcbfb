import {
  type GrabItem,
  type GrabOutcome,
  grabJobSchema,
  jobItemsMax,
  type OpenItem,
  type OpenOutcome,
  openJobSchema,
} from '#libs/contracts';
import { BatchPace, grabLane, type Lane, LaneConsumer, MergingBatcher, openLane } from '#libs/queue';
import { isRedisAway } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { DeadLetterBox } from '../dead-letters/dead-letter-box.ts';
import { pause } from '../process/pause.ts';
import type { LaneItem, SettleItemsOptions } from './item-settler.ts';

/** Settlement calls of each kind at once: each holds a connection of the money pool while it runs. */
export const openCallsMax = 2;
export const grabCallsMax = 1;

/** Jobs of one lane under way: what a batcher can merge. */
const jobsAtOnceMax = 32;
/** Items of one settlement call: larger ones hold their users' locks longer and save no more round trips worth it. */
const batchItemsMax = 1024;
/** Pace of a grab lane while grabs are deferred: each second the items of one full micro-batch, however they were cut, so lanes drain on, slowly. */
export const slowGrabMs = 1000;

/** After a look that Redis refused: it loads its file, or fails over. */
const lookAgainMs = 100;

/** An item and the job that brought it. */
interface JobItem<Item> extends LaneItem<Item> {
  readonly lane: Lane;
  readonly jobId: string;
}

type Settler<Item, Outcome> = {
  settle(
    entries: readonly JobItem<Item>[],
    options: SettleItemsOptions<JobItem<Item>>,
  ): Promise<(Outcome | undefined)[]>;
};

/** A consumer, of whatever it carries, as far as it tells what is outstanding. */
type Looker = Pick<LaneConsumer<unknown, unknown>, 'findOutstanding'>;

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
  private readonly lookers: ReadonlyMap<Lane, Looker>;

  constructor(private readonly deps: LaneWorkersDeps) {
    const opens = this.batcher<OpenItem, OpenOutcome>('open', deps.opens, deps.openLaneCount, openCallsMax);
    const grabs = this.batcher<GrabItem, GrabOutcome>('grab', deps.grabs, deps.grabLaneCount, grabCallsMax);
    const shared = { redisUrl: deps.redisUrl, name: deps.name, log: deps.logger, jobsAtOnceMax };
    this.openConsumers = Array.from({ length: deps.openLaneCount }, (_, no) => {
      return new LaneConsumer({
        ...shared,
        lane: openLane(no),
        jobSchema: openJobSchema,
        settle: async (items, job) => outcomesOfJob(await opens.submit(items.map((item) => ({ item, ...job })))),
        onMalformed: (job) => deps.letters.keepMalformed('open', job),
      });
    });
    this.grabConsumers = Array.from({ length: deps.grabLaneCount }, (_, no) => {
      return new LaneConsumer({
        ...shared,
        lane: grabLane(no),
        jobSchema: grabJobSchema,
        settle: async (items, job) => outcomesOfJob(await grabs.submit(items.map((item) => ({ item, ...job })))),
        onMalformed: (job) => deps.letters.keepMalformed('grab', job),
      });
    });
    const lookers: [Lane, Looker][] = [
      ...this.openConsumers.map((consumer, no): [Lane, Looker] => [openLane(no), consumer]),
      ...this.grabConsumers.map((consumer, no): [Lane, Looker] => [grabLane(no), consumer]),
    ];
    this.lookers = new Map(lookers);
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
  ): MergingBatcher<JobItem<Item>, Outcome | undefined> {
    const bury = (entry: JobItem<Item>, error: unknown) => this.deps.letters.keep(kind, entry, error);
    const look = (entries: readonly JobItem<Item>[]) => this.findAccepted(entries);
    return new MergingBatcher<JobItem<Item>, Outcome | undefined>({
      settleBatch: (entries) => settler.settle(entries, { bury, look, stopped: this.stopped }),
      pace: new BatchPace({ itemsMax: batchItemsMax, callsMax: callsInFlightMax }),
      itemsWaitingMax: laneCount * jobsAtOnceMax * jobItemsMax,
    });
  }

  /** One command for each lane, all at once: a lane is on one node of a cluster. @throws the client's error when the process stops. */
  private async findAccepted<Item>(entries: readonly JobItem<Item>[]): Promise<ReadonlySet<JobItem<Item>>> {
    const jobIdsOf = new Map<Lane, Set<string>>();
    for (const { lane, jobId } of entries) jobIdsOf.set(lane, (jobIdsOf.get(lane) ?? new Set()).add(jobId));
    for (;;) {
      try {
        const looks = [...jobIdsOf].map(async ([lane, ids]) => {
          return [lane, await this.lookers.get(lane)!.findOutstanding([...ids])] as const;
        });
        const found = new Map(await Promise.all(looks));
        return new Set(entries.filter(({ lane, jobId }) => found.get(lane)!.has(jobId)));
      } catch (error) {
        if (!isRedisAway(error) || this.stopped.aborted) throw error;
        await pause(lookAgainMs, this.stopped);
      }
    }
  }
}

/** The entry of a job stands for all of its items: should it go while they are settled in parts, somebody else has settled them all. */
export function outcomesOfJob<Outcome>(outcomes: readonly (Outcome | undefined)[]): readonly Outcome[] | undefined {
  const told = outcomes.filter((outcome) => outcome !== undefined);
  return told.length === outcomes.length ? told : undefined;
}
