interface Chore {
  readonly intervalMs: number;
  readonly run: () => void;
  dueAtMs: number;
  timer: NodeJS.Timeout | undefined;
}

/** `keepUp` looks at the time on one call in so many, a power of two: a shake is far cheaper than a chore is urgent. */
const callsPerLook = 32;
/** A chore may be late by this share of its interval before it is not left to its timer any more. */
const lateShare = 0.25;

/**
 * What is done again and again beside the requests. Timers alone do not do: a process to which more comes than it can answer reads
 * requests for seconds on end before its event loop comes to the timers (libuv takes up to 48 times 1024 ready sockets in a turn), just
 * when the pace must be set. So the hot path calls `keepUp`, which runs what its timer is late with. Times are this machine's,
 * monotonic, in milliseconds.
 */
export class Upkeep {
  private readonly chores: Chore[] = [];
  private calls = 0;
  private isRunning = false;

  constructor(private readonly nowMs: () => number) {}

  /** Adds a chore that is run every `intervalMs` from `start` on. It is synchronous and short. */
  every(intervalMs: number, run: () => void): void {
    this.chores.push({ intervalMs, run, dueAtMs: Number.POSITIVE_INFINITY, timer: undefined });
  }

  start(): void {
    const nowMs = this.nowMs();
    for (const chore of this.chores) {
      chore.dueAtMs = nowMs + chore.intervalMs;
      chore.timer = setInterval(() => this.runIfDue(chore, chore.intervalMs * lateShare), chore.intervalMs);
    }
  }

  stop(): void {
    for (const chore of this.chores) {
      clearInterval(chore.timer);
      chore.dueAtMs = Number.POSITIVE_INFINITY;
    }
  }

  /** From the hot path, before a request is decided. */
  keepUp(): void {
    this.calls = (this.calls + 1) & (callsPerLook - 1);
    if (this.calls !== 0) return;
    for (const chore of this.chores) this.runIfDue(chore, -chore.intervalMs * lateShare);
  }

  /** @param earlyMs how long before it is due the chore is run all the same; negative: how late it must be. */
  private runIfDue(chore: Chore, earlyMs: number): void {
    const nowMs = this.nowMs();
    if (this.isRunning || nowMs + earlyMs < chore.dueAtMs) return;
    // it keeps its beat; what was missed altogether is not made up for
    chore.dueAtMs = Math.max(chore.dueAtMs + chore.intervalMs, nowMs + chore.intervalMs / 2);
    this.isRunning = true;
    try {
      chore.run();
    } finally {
      this.isRunning = false;
    }
  }
}
