/** A longer step is no time that anything had to get on with: this process, and perhaps the whole machine, stood still. */
const stepMaxMs = 1000;

/**
 * Time as far as this process ran through it, for who asks at least every second. Patience is measured by it: a machine that stands still for
 * a minute (one that sleeps, a guest that is moved, SIGSTOP) has broken no promise.
 */
export class RunningTime {
  private ranMs = 0;
  private stoodMs = 0;
  private lastMs: number;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.lastMs = now();
  }

  get elapsedMs(): number {
    this.look();
    return this.ranMs;
  }

  /** How long it stood still in all. */
  get stillMs(): number {
    this.look();
    return this.stoodMs;
  }

  private look(): void {
    const nowMs = this.now();
    const stepMs = nowMs - this.lastMs;
    this.lastMs = nowMs;
    this.ranMs += Math.min(stepMs, stepMaxMs);
    this.stoodMs += Math.max(stepMs - stepMaxMs, 0);
  }
}
