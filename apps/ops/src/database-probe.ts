import type { Pool } from '#libs/database';

/** What the database takes for nothing. */
export interface DatabaseAnswer {
  readonly isAnswering: boolean;
  /** Of the last question that was answered or is still open; since the last answer when the last question failed. */
  readonly timeMs: number;
}

/** Asks the database for nothing, one question at a time: how long that takes, and whether it answers at all. */
export class DatabaseProbe {
  private askedAtMs: number | undefined;
  private answeredAtMs: number;
  private lastMs = 0;
  private hasFailed = false;

  constructor(
    private readonly pool: Pick<Pool, 'query'>,
    private readonly monotonicMs: () => number,
  ) {
    this.answeredAtMs = monotonicMs();
  }

  /** Asks, unless a question is still open. Does not wait. */
  ask(): void {
    if (this.askedAtMs !== undefined) return;
    const askedAtMs = this.monotonicMs();
    this.askedAtMs = askedAtMs;
    this.pool.query('SELECT 1').then(
      () => this.settle(askedAtMs, false),
      // what it failed of does not matter here: it is counted as away
      () => this.settle(askedAtMs, true),
    );
  }

  answer(): DatabaseAnswer {
    const nowMs = this.monotonicMs();
    const openMs = this.askedAtMs === undefined ? 0 : nowMs - this.askedAtMs;
    if (this.hasFailed) return { isAnswering: false, timeMs: nowMs - this.answeredAtMs };
    const timeMs = Math.max(openMs, this.lastMs);
    return { isAnswering: timeMs < answerMaxMs, timeMs };
  }

  private settle(askedAtMs: number, hasFailed: boolean): void {
    const nowMs = this.monotonicMs();
    this.askedAtMs = undefined;
    this.hasFailed = hasFailed;
    if (hasFailed) return;
    this.answeredAtMs = nowMs;
    this.lastMs = nowMs - askedAtMs;
  }
}

/** A database that takes longer for nothing does not answer. */
const answerMaxMs = 2000;
