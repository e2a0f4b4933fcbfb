import type { z } from 'zod';
import type { Log, Reply } from '#libs/redis';
import { Alarm } from './alarm.ts';

export interface ReplyRegistryOptions<Outcome> {
  readonly replySchema: z.ZodType<Reply<Outcome>>;
  readonly log: Log;
  /** Jobs whose reply is waited for; one more gets no slot, so its items are answered `pending`. */
  readonly jobsMax?: number;
  /** A slot is given up after this; longer than enqueuing and waiting for a reply may take together. */
  readonly jobTtlMs?: number;
}

const jobsDefaultMax = 16_384;
const jobTtlDefaultMs = 15_000;

interface Waiting<Outcome> {
  readonly position: number;
  readonly endsAtMs: number;
  readonly resolve: (outcome: Outcome | undefined) => void;
}

/** The place where the reply to one job arrives; made before the job is enqueued, so that no reply can be too early. */
export class ReplySlot<Outcome> {
  private outcomes: readonly Outcome[] | undefined;
  private isClosed = false;
  private waiting: Waiting<Outcome>[] = [];
  /** One timer for all items of the job. */
  private readonly alarm = new Alarm(() => this.endWaits());

  constructor(
    readonly expiresAt: number,
    private readonly onClosed: () => void,
  ) {}

  /** The outcome of the item at `position`; `undefined` when none came within `waitMs` (it may still come to be). */
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
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly options: ReplyRegistryOptions<Outcome>) {
    this.jobsMax = options.jobsMax ?? jobsDefaultMax;
    this.jobTtlMs = options.jobTtlMs ?? jobTtlDefaultMs;
  }

  /**
   * A slot for the reply to a job that is about to be enqueued; `undefined` when too many are waited for.
   * @param onClosed told once, when the reply came or the slot was given up.
   */
  expect(jobId: string, onClosed: () => void): ReplySlot<Outcome> | undefined {
    if (this.slots.size >= this.jobsMax) return undefined;
    const slot = new ReplySlot<Outcome>(performance.now() + this.jobTtlMs, () => {
      this.slots.delete(jobId);
      onClosed();
    });
    this.slots.set(jobId, slot);
    this.timer ??= setTimeout(() => this.expire(), this.jobTtlMs).unref();
    return slot;
  }

  /** Takes a message of the reply channel. Replies that nobody waits for (a job that ran twice, a slot given up) are dropped. */
  accept(message: string): void {
    const parsed = this.options.replySchema.safeParse(parseJson(message));
    if (!parsed.success) {
      this.options.log.error({ err: parsed.error }, 'a reply could not be read');
      return;
    }
    const { jobId, outcomes } = parsed.data;
    this.slots.get(jobId)?.close(outcomes);
  }

  /** Gives up every slot: whoever waits goes without. */
  close(): void {
    clearTimeout(this.timer);
    for (const slot of [...this.slots.values()]) slot.close();
  }

  private expire(): void {
    this.timer = undefined;
    const now = performance.now();
    for (const slot of [...this.slots.values()]) {
      if (slot.expiresAt > now) {
        this.timer = setTimeout(() => this.expire(), slot.expiresAt - now).unref();
        return;
      }
      slot.close();
    }
  }
}

/** `undefined`, which no schema accepts, for what is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
