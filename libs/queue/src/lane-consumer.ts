import { type Job, Worker } from 'bullmq';
import type { z } from 'zod';
import { jobItemsMax } from '#libs/contracts';
import { closeRedis, createRedis, type Log, logOutages, publishReply, type RedisClient } from '#libs/redis';
import { atMostEvery } from './at-most-every.ts';
import { type Lane, type LaneJob, laneKeyPrefix, retryDelayMs } from './lane.ts';
import { findOutstanding, removeOutstanding } from './outstanding.ts';
import { SlowDown } from './slow-down.ts';

export interface MalformedJob {
  readonly lane: Lane;
  readonly jobId: string;
  readonly data: unknown;
  /** What is wrong with it. */
  readonly error: string;
}

export interface LaneConsumerOptions<Item, Outcome> {
  readonly lane: Lane;
  readonly redisUrl: string;
  /** Name of the process, for the connections. */
  readonly name: string;
  readonly log: Log;
  readonly jobSchema: z.ZodType<LaneJob<Item>>;
  /**
   * Settles a job's items and resolves after the commit, with one outcome for each; `undefined` for a job that has no entry in the
   * outstanding index (`findOutstanding`): it is completed, and nobody is told anything. A rejection has the job run again.
   */
  readonly settle: (
    items: readonly Item[],
    job: { readonly lane: Lane; readonly jobId: string },
  ) => Promise<readonly Outcome[] | undefined>;
  /** Keeps what is no job of this version and was accepted; resolves when it is kept. A rejection has the job run again. */
  readonly onMalformed: (job: MalformedJob) => Promise<void>;
  /** Jobs under way at once; they are what a batcher merges. */
  readonly jobsAtOnceMax?: number;
  /** Items of one turn while the lane is slow. */
  readonly slowItemsMax?: number;
  /** A job whose consumer is silent for this long is taken from it. */
  readonly lockMs?: number;
  /** How often to look for such jobs: one runs again after at most `lockMs` and twice this. */
  readonly stalledCheckMs?: number;
}

const jobsAtOnceDefaultMax = 32;
const lockDefaultMs = 5000;
/**
 * For how long after it was asked for a look at the outstanding index may be acted upon (monotonic ms). Locks are renewed at half of
 * their time: a process that could look so recently has its jobs still, even if it was stopped or cut off since.
 */
export const outstandingLookFreshMs = 2000;
const stalledCheckDefaultMs = 2000;
/** BullMQ waits for so long after a connection error, 15 s by default. */
const runRetryMs = 500;
/** In an outage, or with Redis full, errors come in numbers: one line of many. */
const errorLogIntervalMs = 10_000;
/** After an error that ended BullMQ's loop, which none is known to do. */
const restartDelayMs = 1000;
/** Longest blocking wait for a job: how late a job is seen whose marker was lost. */
const drainDelayS = 2;

/**
 * Takes the jobs of one lane and has them settled. In this order: commit (`settle`), outstanding entry removed, reply published, job
 * completed. Whatever breaks in between has the job run again: with its entry there it gives the same outcomes (invariant 7), without
 * it nothing is done, for its outcomes are told, or it was never accepted.
 */
export class LaneConsumer<Item, Outcome> {
  private readonly client: RedisClient;
  /** BullMQ duplicates the connection for its blocking waits; kept, so that `close` can end it whatever state it is in. */
  private readonly duplicates: RedisClient[] = [];
  private readonly worker: Worker<unknown, void>;
  private readonly jobsAtOnceMax: number;
  private readonly slowItemsMax: number;
  private readonly slowDown: SlowDown;
  /** Jobs that are held back or being settled, and their items. */
  private jobsInHand = 0;
  private itemsInHand = 0;
  private readonly logError = atMostEvery(errorLogIntervalMs, (error: unknown) =>
    this.options.log.warn({ lane: this.options.lane, err: error }, 'a lane met an error'),
  );
  private isClosed = false;

  constructor(private readonly options: LaneConsumerOptions<Item, Outcome>) {
    const { lane, log } = options;
    this.jobsAtOnceMax = options.jobsAtOnceMax ?? jobsAtOnceDefaultMax;
    this.slowItemsMax = options.slowItemsMax ?? jobItemsMax;
    this.slowDown = new SlowDown(this.slowItemsMax);
    this.client = createRedis('worker', options.redisUrl, { name: `${options.name}.${lane}`, log });
    this.watchDuplicates();
    this.worker = new Worker<unknown, void>(lane, async (job) => await this.process(job), {
      connection: this.client,
      prefix: laneKeyPrefix(lane),
      autorun: false,
      concurrency: this.jobsAtOnceMax,
      lockDuration: options.lockMs ?? lockDefaultMs,
      stalledInterval: options.stalledCheckMs ?? stalledCheckDefaultMs,
      // However often its consumers die, a job is never failed (invariant 9).
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      removeOnComplete: { count: 0 },
      drainDelay: drainDelayS,
      runRetryDelay: runRetryMs,
      settings: { backoffStrategy: retryDelayMs },
    });
    this.worker.on('error', (error) => this.logError(error));
    this.worker.on('failed', (job, error) => log.error({ lane, jobId: job?.id, err: error }, 'a job will run again'));
  }

  start(): void {
    this.worker.run().catch((error: unknown) => {
      this.options.log.error({ lane: this.options.lane, err: error }, 'a lane has stopped and starts again');
      if (!this.isClosed) setTimeout(() => this.start(), restartDelayMs).unref();
    });
  }

  /** Takes no more jobs in this process until `resume`; at most two more begin: one that was waited for, and one that a job at its end brings. */
  async pause(): Promise<void> {
    await this.worker.pause(true);
  }

  resume(): void {
    this.worker.resume().catch((error: unknown) => this.logError(error));
  }

  /**
   * Slows the lane down in this process: `slowItemsMax` items begin each `delayMs`, into however many jobs they were cut, so that many small
   * jobs are not slower than few large ones. 0: full speed again, at once.
   */
  setSlow(delayMs: number): void {
    this.slowDown.set(delayMs);
    this.steer();
  }

  /** Those of the lane's jobs that are in its outstanding index; waits for as long as Redis is away. */
  async findOutstanding(jobIds: readonly string[]): Promise<ReadonlySet<string>> {
    return await findOutstanding(this.client, this.options.lane, jobIds);
  }

  /**
   * Takes no more jobs and waits for those under way up to `timeoutMs`, then ends its connections. What was not completed by then runs
   * again elsewhere.
   */
  async close(timeoutMs: number): Promise<{ readonly drained: boolean }> {
    this.isClosed = true;
    this.slowDown.set(0);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, false);
    });
    const drained = await Promise.race([this.worker.close().then(() => true), timeout]);
    clearTimeout(timer);
    for (const duplicate of this.duplicates) if (duplicate.status !== 'end') duplicate.disconnect();
    await closeRedis(this.client);
    return { drained };
  }

  private async process(job: Job<unknown>): Promise<void> {
    const parsed = this.options.jobSchema.safeParse(job.data);
    const itemCount = parsed.success ? parsed.data.items.length : 1;
    this.countInHand(1, itemCount);
    try {
      await this.slowDown.wait(itemCount);
      await this.settle(job, parsed);
    } finally {
      this.countInHand(-1, -itemCount);
    }
  }

  private countInHand(jobs: number, items: number): void {
    this.jobsInHand += jobs;
    this.itemsInHand += items;
    this.steer();
  }

  /**
   * While the lane is slow, jobs are taken until a turn's items are in hand, and so few at a time that what is in hand by then is no more than
   * at full speed: BullMQ takes as many as it may before it shows one of them.
   */
  private steer(): void {
    this.worker.concurrency = this.slowDown.isOn ? this.jobsWhileSlow() : this.jobsAtOnceMax;
  }

  private jobsWhileSlow(): number {
    const more = this.itemsInHand < this.slowItemsMax ? this.jobsAtOnceMax - 1 : 0;
    return Math.max(this.jobsInHand + more, 1);
  }

  private async settle(job: Job<unknown>, parsed: z.ZodSafeParseResult<LaneJob<Item>>): Promise<void> {
    const { lane, settle, onMalformed } = this.options;
    const jobId = job.id!;
    try {
      if (!parsed.success) {
        if (!(await this.findOutstanding([jobId])).has(jobId)) return;
        await onMalformed({ lane, jobId, data: job.data, error: parsed.error.message });
        await removeOutstanding(this.client, lane, [jobId]);
        return;
      }
      const { items, replyTo } = parsed.data;
      const outcomes = await settle(items, { lane, jobId });
      if (outcomes === undefined) return;
      if (outcomes.length !== items.length) throw new Error(`${items.length} items got ${outcomes.length} outcomes`);
      // One connection keeps their order: whoever hears the reply finds the entry gone.
      await Promise.all([
        removeOutstanding(this.client, lane, [jobId]),
        publishReply(this.client, replyTo, { jobId, outcomes }),
      ]);
    } catch (cause) {
      // BullMQ gives some names and messages of errors a meaning, as far as failing the job: it never sees the original.
      throw new Error(`job ${jobId} of ${lane} was not settled`, { cause });
    }
  }

  private watchDuplicates(): void {
    const duplicate = this.client.duplicate.bind(this.client);
    this.client.duplicate = ((override) => {
      const made = duplicate(override);
      logOutages(made, `${this.options.name}.${this.options.lane}.blocking`, this.options.log);
      this.duplicates.push(made);
      return made;
    }) as typeof this.client.duplicate;
  }
}
