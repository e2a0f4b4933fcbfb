interface Waiting {
  readonly items: number;
  readonly pass: () => void;
}

/**
 * Lets work pass in turns: one each `delayMs`, and in each what came first, up to a number of items. The delay can be changed while it is
 * waited for.
 */
export class SlowDown {
  private delayMs = 0;
  /** In order of arrival. */
  private readonly waiting = new Set<Waiting>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly turnItemsMax: number) {}

  get isOn(): boolean {
    return this.delayMs > 0;
  }

  /** Sets the time between turns from the next one on; 0 also ends the waits under way. */
  set(delayMs: number): void {
    this.delayMs = delayMs;
    if (delayMs > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const { pass } of this.waiting) pass();
    this.waiting.clear();
  }

  /** Resolves when it is the turn of so many items, `delayMs` from now at the earliest if nobody else waits. */
  async wait(items: number): Promise<void> {
    if (!this.isOn) return;
    await new Promise<void>((pass) => {
      this.waiting.add({ items, pass });
      this.timer ??= setTimeout(() => this.turn(), this.delayMs);
    });
  }

  /** What is more than a turn by itself passes alone. */
  private turn(): void {
    let items = 0;
    for (const one of this.waiting) {
      if (items > 0 && items + one.items > this.turnItemsMax) break;
      items += one.items;
      this.waiting.delete(one);
      one.pass();
    }
    this.timer = this.waiting.size > 0 ? setTimeout(() => this.turn(), this.delayMs) : undefined;
  }
}
