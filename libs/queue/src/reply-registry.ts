import type { z } from 'zod';
import { jsonOf, type Log, type Reply } from '#libs/redis';
import { Alarm } from './alarm.ts';
import { atMostEvery } from './at-most-every.ts';
import type { Lane } from './lane.ts';

export interface ReplyRegistryOptions<Outcome> {
  readonly replySchema: z.ZodType<Reply<Outcome>>;
  readonly log: Log;
  /** Jobs whose reply is waited for; one more gets no slot, so its items are answered `pending`. */
  readonly jobsMax?: number;
  /** A slot is given up after this; longer than enqueuing and waiting for a reply may take together. */
  readonly jobTtlMs?: number;
  /**
   * Those of a lane's jobs that are in its outstanding index. With it a slot lives for as long as its job is outstanding, however slow the
   * lane is; without it no longer than `jobTtlMs`. While it rejects nothing is given up.
   */
  readonly findOutstanding?: (lane: Lane, jobIds: readonly string[]) => Promise<ReadonlySet<string>>;
}

const jobsDefaultMax = 16_384;
const jobTtlDefaultMs = 15_000;
/** Between two looks at what is outstanding: a reply that was on its way at the first has come by the second. */
const looksApartMaxMs = 1000;
/** Slots of one look. */
const lookSlotsMax = 1000;
/** In an outage every look fails: one line of many. */
const failureLogIntervalMs = 10_000;

interface Waiting<Outcome> {
  readonly position: number;
  readonly endsAtMs: number;
  readonly resolve: (outcome: Outcome | undefined) => void;
}

/** The place where the reply to one job arrives; made before the job is enqueued, so that no reply can be too early. */
export class ReplySlot<Outcome> {
  private outcomes: readonly Outcome[] | undefined;
  private isClosed = false;
  /** A look did not find its job outstanding any more. */
  isMissed = false;
  private waiting: Waiting<Outcome>[] = [];
  /** One timer for all items of the job. */
  private readonly alarm = new Alarm(() => this.endWaits());

  constructor(
    readonly lane: Lane,
    readonly jobId: string,
    public expiresAt: number,
    private readonly onClosed: () => void,
  ) {}

  /**
   * The outcome of the item at `position`; `undefined` when none came within `waitMs` (it may still come to be). Infinity: waits until the
   * reply comes or the slot is given up.
   */
  outcomeAt(position: number, waitMs: number): Promise<Outcome | undefined> {
    if (this.isClosed || waitMs <= 0) return Promise.resolve(this.outcomes?.[position]);
    const endsAtMs = performance.now() + waitMs;
    return new Promise((resolve) => {
      this.waiting.push({ position, endsAtMs, resolve });
      this.alarm.ringBy(endsAtMs);
    });
  }

  /** Ends the wait of everybody, with outcomes or without. */
  close(outcomes?: readonly Outcome[]): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.outcomes = outcomes;
    this.alarm.stop();
    for (const { position, resolve } of this.waiting) resolve(outcomes?.[position]);
    this.waiting = [];
    this.onClosed();
  }

  /** Of those whose time is over. */
  private endWaits(): void {
    const nowMs = performance.now();
    const others: Waiting<Outcome>[] = [];
    for (const waiting of this.waiting) {
      if (waiting.endsAtMs <= nowMs) waiting.resolve(undefined);
      else others.push(waiting);
    }
    this.waiting = others;
    for (const { endsAtMs } of others) this.alarm.ringBy(endsAtMs);
  }
}

/** Brings the replies of consumers to the items that wait for them, in one process. Lossy: a reply that is lost is asked for again. */
export class ReplyRegistry<Outcome> {
  private readonly jobsMax: number;
  private readonly jobTtlMs: number;
  /** In order of expiry, since all live equally long. */
  private readonly slots = new Map<string, ReplySlot<Outcome>>();
  private readonly logFailure = atMostEvery(failureLogIntervalMs, (lane: Lane, error: unknown): void =>
    this.options.log.warn({ lane, err: error }, 'it is not known which replies may still come'),
  );
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly options: ReplyRegistryOptions<Outcome>) {
    this.jobsMax = options.jobsMax ?? jobsDefaultMax;
    this.jobTtlMs = options.jobTtlMs ?? jobTtlDefaultMs;
  }

  /**
   * A slot for the reply to a job that is about to be enqueued; `undefined` when too many are waited for.
   * @param onClosed told once, when the reply came or the slot was given up.
   */
  expect(lane: Lane, jobId: string, onClosed: () => void): ReplySlot<Outcome> | undefined {
    if (this.slots.size >= this.jobsMax) return undefined;
    const slot = new ReplySlot<Outcome>(lane, jobId, performance.now() + this.jobTtlMs, () => {
      this.slots.delete(jobId);
      onClosed();
    });
    this.slots.set(jobId, slot);
    this.timer ??= this.expireIn(this.jobTtlMs);
    return slot;
  }

  /** Takes a message of the reply channel. Replies that nobody waits for (a job that ran twice, a slot given up) are dropped. */
  accept(message: string): void {
    const parsed = this.options.replySchema.safeParse(jsonOf(message));
    if (!parsed.success) {
      this.options.log.error({ err: parsed.error }, 'a reply could not be read');
      return;
    }
    const { jobId, outcomes } = parsed.data;
    this.slots.get(jobId)?.close(outcomes);
  }

  /** Gives up every slot: whoever waits goes without. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    for (const slot of [...this.slots.values()]) slot.close();
  }

  private expireIn(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => void this.expire(), delayMs).unref();
  }

  /** One at a time: `timer` stays set until it is done. */
  private async expire(): Promise<void> {
    const { findOutstanding } = this.options;
    const due = this.dueSlots(findOutstanding === undefined ? this.jobsMax : lookSlotsMax);
    if (findOutstanding === undefined) for (const slot of due) slot.close();
    else await this.look(due, findOutstanding);
    const [next] = this.slots.values();
    const leastMs = findOutstanding === undefined ? 0 : Math.min(looksApartMaxMs, this.jobTtlMs);
    this.timer =
      next === undefined || this.isClosed
        ? undefined
        : this.expireIn(Math.max(next.expiresAt - performance.now(), leastMs));
  }

  private dueSlots(countMax: number): ReplySlot<Outcome>[] {
    const nowMs = performance.now();
    const due: ReplySlot<Outcome>[] = [];
    for (const slot of this.slots.values()) {
      if (slot.expiresAt > nowMs || due.length >= countMax) break;
      due.push(slot);
    }
    return due;
  }

  /** Renews the slots whose jobs are outstanding; of the others it gives up those that the look before has missed as well. */
  private async look(
    slots: readonly ReplySlot<Outcome>[],
    findOutstanding: NonNullable<ReplyRegistryOptions<Outcome>['findOutstanding']>,
  ): Promise<void> {
    const lanes = new Set(slots.map(({ lane }) => lane));
    const looks = [...lanes].map(async (lane) => {
      const ofLane = slots.filter((slot) => slot.lane === lane);
      const jobIds = ofLane.map(({ jobId }) => jobId);
      const outstanding = await findOutstanding(lane, jobIds).catch((error: unknown) => {
        this.logFailure(lane, error);
        return undefined;
      });
      for (const slot of ofLane) this.judge(slot, outstanding?.has(slot.jobId) ?? 'unknown');
    });
    await Promise.all(looks);
  }

  private judge(slot: ReplySlot<Outcome>, isOutstanding: boolean | 'unknown'): void {
    const cameMeanwhile = !this.slots.has(slot.jobId);
    if (cameMeanwhile || isOutstanding === 'unknown') return;
    if (isOutstanding) this.renew(slot);
    else if (slot.isMissed) slot.close();
    else slot.isMissed = true;
  }

  /** To the end, since all live equally long. */
  private renew(slot: ReplySlot<Outcome>): void {
    slot.isMissed = false;
    slot.expiresAt = performance.now() + this.jobTtlMs;
    this.slots.delete(slot.jobId);
    this.slots.set(slot.jobId, slot);
  }
}
