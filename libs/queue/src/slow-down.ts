/** A delay that can be changed while it is waited for. */
export class SlowDown {
  private delayMs = 0;
  private readonly waiting = new Set<() => void>();

  /** Sets the delay for whoever waits from now on; 0 also ends the waits under way. */
  set(delayMs: number): void {
    this.delayMs = delayMs;
    if (delayMs === 0) for (const wake of this.waiting) wake();
  }

  async wait(): Promise<void> {
    if (this.delayMs === 0) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, this.delayMs);
      this.waiting.add(wake);
    });
  }
}
