/** One timer for many deadlines: it is set for the earliest, and whoever it wakes says when it is needed next. */
export class Alarm {
  private timer: NodeJS.Timeout | undefined;
  private ringsAtMs = Number.POSITIVE_INFINITY;

  constructor(private readonly onRing: () => void) {}

  /** Rings at `atMs` (`performance.now()`) at the latest. */
  ringBy(atMs: number): void {
    if (atMs >= this.ringsAtMs) return;
    clearTimeout(this.timer);
    this.ringsAtMs = atMs;
    this.timer = setTimeout(this.ring, Math.ceil(Math.max(atMs - performance.now(), 0)));
  }

  /** Does not ring until it is told again. */
  stop(): void {
    clearTimeout(this.timer);
    this.ringsAtMs = Number.POSITIVE_INFINITY;
  }

  private readonly ring = (): void => {
    this.ringsAtMs = Number.POSITIVE_INFINITY;
    this.onRing();
  };
}
