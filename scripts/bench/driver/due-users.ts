/** Longest wait that can be entered: a power of two of milliseconds, over the longest that a gateway may ask for. */
const ringMs = 32_768;

/** Users by the millisecond in which they shake next: entering one and taking those who are due costs the same for any number of users. */
export class DueUsers {
  private readonly ring: number[][] = Array.from({ length: ringMs }, () => []);
  private nowMs: number;

  constructor(startMs: number) {
    this.nowMs = Math.floor(startMs);
  }

  /** @throws RangeError for a wait that no gateway may ask for. */
  enter(user: number, dueMs: number): void {
    const atMs = Math.max(Math.ceil(dueMs), this.nowMs);
    if (atMs - this.nowMs >= ringMs) throw new RangeError(`a wait of ${atMs - this.nowMs} ms`);
    this.ring[atMs % ringMs]!.push(user);
  }

  /** Takes everybody due up to `untilMs`, with the millisecond in which they were. */
  take(untilMs: number, onDue: (user: number, dueMs: number) => void): void {
    for (; this.nowMs <= untilMs; this.nowMs++) {
      const users = this.ring[this.nowMs % ringMs]!;
      if (users.length === 0) continue;
      this.ring[this.nowMs % ringMs] = [];
      for (const user of users) onDue(user, this.nowMs);
    }
  }
}
