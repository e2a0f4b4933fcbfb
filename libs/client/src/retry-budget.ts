export interface RetryBudgetOptions {
  readonly budgetMax: number;
  readonly ratio: number;
  readonly dripMs: number;
}

/**
 * A token bucket that keeps a fleet from storming: each first request earns a fraction of a repetition, each repetition costs
 * one. When everything fails, repetitions are at most `ratio` of the requests, plus one per `dripMs` for a client that has
 * nothing else to send.
 */
export class RetryBudget {
  private tokens: number;
  private drippedAtMs: number;

  constructor(
    private readonly options: RetryBudgetOptions,
    nowMs: number,
  ) {
    this.tokens = options.budgetMax;
    this.drippedAtMs = nowMs;
  }

  /** A request that is no repetition is about to be sent. */
  earn(): void {
    this.add(this.options.ratio);
  }

  /** Takes one repetition and returns 0, or returns the milliseconds until one has dripped in. */
  take(nowMs: number): number {
    this.drip(nowMs);
    if (this.tokens >= 1) {
      this.tokens -= 1;
      return 0;
    }
    return Math.max(1, Math.ceil((1 - this.tokens) * this.options.dripMs));
  }

  private drip(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.drippedAtMs);
    this.drippedAtMs = nowMs;
    this.add(elapsedMs / this.options.dripMs);
  }

  private add(tokens: number): void {
    this.tokens = Math.min(this.options.budgetMax, this.tokens + tokens);
  }
}
