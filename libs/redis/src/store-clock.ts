import type { RedisClient } from './redis-client.ts';

export interface StoreClockOptions {
  /** From the end of one sample to the next. */
  readonly intervalMs?: number;
  /** Without a good sample for this long there is no time any more. */
  readonly clockFreshMs?: number;
  /** A slower sample is too uncertain, unless there is no fresh one at all. */
  readonly roundTripMaxMs?: number;
  /** Monotonic milliseconds; for tests. */
  readonly monotonicMs?: () => number;
}

interface Sample {
  /** Store time minus monotonic time. */
  readonly offsetMs: number;
  /** The true offset is within this of `offsetMs`: half the round trip. */
  readonly errorMs: number;
  readonly takenAt: number;
}

const intervalDefaultMs = 1000;
const clockFreshDefaultMs = 15_000;
const roundTripDefaultMs = 250;
/** Until there is a first sample. */
const firstIntervalMs = 100;
/** A timer that is later than this many intervals does not come by itself for now. */
const lateFactor = 1.5;

/**
 * The store's clock, known without asking: `TIME` is read each second, its offset to the monotonic clock is kept, and the error is
 * at most half the round trip (the method of Cristian). Wall clocks of processes play no part.
 */
export class StoreClock {
  private readonly intervalMs: number;
  private readonly clockFreshMs: number;
  private readonly roundTripMaxMs: number;
  private readonly monotonicMs: () => number;
  private sample: Sample | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isRunning = false;
  private isSampling = false;
  private triedAt = Number.NEGATIVE_INFINITY;
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly client: RedisClient,
    options: StoreClockOptions = {},
  ) {
    this.intervalMs = options.intervalMs ?? intervalDefaultMs;
    this.clockFreshMs = options.clockFreshMs ?? clockFreshDefaultMs;
    this.roundTripMaxMs = options.roundTripMaxMs ?? roundTripDefaultMs;
    this.monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  /** Store-clock milliseconds since the epoch; `undefined` without a sample that is fresh. */
  nowMs(): number | undefined {
    const { sample } = this;
    if (sample === undefined) return undefined;
    const now = this.monotonicMs();
    if (now - sample.takenAt > this.clockFreshMs) return undefined;
    return Math.floor(now + sample.offsetMs);
  }

  /** How far `nowMs` can be off, in milliseconds; `undefined` together with it. */
  errorMs(): number | undefined {
    return this.nowMs() === undefined ? undefined : this.sample?.errorMs;
  }

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    void this.tick();
  }

  stop(): void {
    this.isRunning = false;
    clearTimeout(this.timer);
    for (const wake of this.waiting) wake();
  }

  /**
   * Takes a sample if the timer is late with it: for processes whose event loop comes to its timers seconds late when more requests
   * come than it can answer.
   */
  keepUp(): void {
    if (this.isRunning && !this.isSampling && this.monotonicMs() - this.triedAt > this.intervalMs * lateFactor) {
      void this.synchronise();
    }
  }

  /** True once there is a time; false when `timeoutMs` passed before. */
  async whenReady(timeoutMs: number): Promise<boolean> {
    if (this.nowMs() === undefined) await this.nextSample(timeoutMs);
    return this.nowMs() !== undefined;
  }

  /** Takes one sample now. @returns whether it was good enough to use. */
  async synchronise(): Promise<boolean> {
    const sentAt = this.monotonicMs();
    this.triedAt = sentAt;
    this.isSampling = true;
    let reply: [seconds: number, microseconds: number];
    try {
      reply = (await this.client.time()) as [number, number];
    } catch {
      // While Redis is away the last sample serves until it is no longer fresh; the connection's outage is logged by its client.
      return false;
    } finally {
      this.isSampling = false;
    }
    const takenAt = this.monotonicMs();
    const roundTripMs = takenAt - sentAt;
    if (roundTripMs > this.roundTripMaxMs && this.nowMs() !== undefined) return false;
    const storeMs = Number(reply[0]) * 1000 + Number(reply[1]) / 1000;
    this.sample = { offsetMs: storeMs - (sentAt + roundTripMs / 2), errorMs: roundTripMs / 2, takenAt };
    for (const wake of this.waiting) wake();
    return true;
  }

  private async tick(): Promise<void> {
    await this.synchronise();
    if (!this.isRunning) return;
    const delayMs = this.sample === undefined ? Math.min(firstIntervalMs, this.intervalMs) : this.intervalMs;
    this.timer = setTimeout(() => void this.tick(), delayMs).unref();
  }

  private async nextSample(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.waiting.add(wake);
    });
  }
}
