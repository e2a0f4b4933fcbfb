/** What is needed of libs/redis' StoreClock. */
export interface FreshClock {
  nowMs(): number | undefined;
}

/** The store's time, for decisions and for display. */
export class StoreTime {
  private offsetMs = 0;

  constructor(private readonly clock: FreshClock) {}

  /** Store-clock milliseconds; undefined without a fresh sample: then nothing is issued and nothing accepted. */
  freshMs(): number | undefined {
    const nowMs = this.clock.nowMs();
    if (nowMs !== undefined) this.offsetMs = nowMs - Date.now();
    return nowMs;
  }

  /** As `freshMs`; without a fresh sample the best guess, for answers that grant nothing (windows, `serverTime`, shares). */
  approxMs(): number {
    return this.freshMs() ?? Date.now() + this.offsetMs;
  }
}
