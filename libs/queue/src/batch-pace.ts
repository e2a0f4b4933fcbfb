export interface BatchPaceOptions {
  /** Items of one call, and calls at once, at full pace. */
  readonly itemsMax: number;
  readonly callsMax: number;
  /** Items of one call after an outage. */
  readonly itemsMin?: number;
  /** A call that took no longer shows that more can be stood. */
  readonly easyMs?: number;
  /** One that took longer shows that less can. */
  readonly hardMs?: number;
  /** One that took longer than this was an outage. */
  readonly outageMs?: number;
}

const defaults = { itemsMin: 128, easyMs: 300, hardMs: 1500, outageMs: 5000 };

/**
 * How much is asked of a database at once, learnt from how long it takes: one that stands it gets full batches; one that is slow, or comes
 * back cold after an outage to a long queue, begins with one small call and gets twice as much each time it was quick. A queue is
 * drained at the rate that its database stands, and what waits is not lost by waiting.
 */
export class BatchPace {
  private readonly options: Required<BatchPaceOptions>;
  private items: number;
  private calls: number;

  constructor(options: BatchPaceOptions) {
    this.options = { ...defaults, ...options };
    this.items = options.itemsMax;
    this.calls = options.callsMax;
  }

  /** The most that one call is ever given. */
  get itemsMost(): number {
    return this.options.itemsMax;
  }

  /** Items that one call may have now; a group that is larger goes alone. */
  get batchItemsMax(): number {
    return this.items;
  }

  get callsInFlightMax(): number {
    return this.calls;
  }

  /** A call has ended, well or not, and took so long. */
  tell(tookMs: number): void {
    const { itemsMin, itemsMax, callsMax, easyMs, hardMs, outageMs } = this.options;
    const least = Math.min(itemsMin, itemsMax);
    if (tookMs > outageMs) [this.items, this.calls] = [least, 1];
    else if (tookMs > hardMs) this.items = Math.max(Math.floor(this.items / 2), least);
    else if (tookMs > easyMs) return;
    // first larger calls, then more of them
    else if (this.items < itemsMax) this.items = Math.min(this.items * 2, itemsMax);
    else this.calls = Math.min(this.calls + 1, callsMax);
  }
}
