/**
 * When requests of an open loop are due: gaps of a Poisson process, as of many users who know nothing of each other. The schedule does
 * not depend on the answers, so a slow answer delays nobody's request and hides nothing (no coordinated omission).
 */
export class Arrivals {
  private nextMs: number;

  /** @param random uniform in [0, 1). */
  constructor(
    startMs: number,
    private readonly perSecond: number,
    private readonly random: () => number = Math.random,
  ) {
    this.nextMs = startMs;
  }

  /** When the next request is due; asked again it is the same until `take`. */
  get dueMs(): number {
    return this.nextMs;
  }

  /** Takes the one that is due and gives the time when it was. */
  take(): number {
    const dueMs = this.nextMs;
    this.nextMs += (-Math.log(1 - this.random()) * 1000) / this.perSecond;
    return dueMs;
  }
}
