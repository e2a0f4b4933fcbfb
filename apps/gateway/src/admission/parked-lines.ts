/** What is needed of a connection. */
export interface Line {
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** What is remembered of a connection. */
export interface LineVisitor {
  /** The number of its client's address; below 0: a trusted proxy, which carries others too. */
  readonly no: number;
  /** Somebody on it asks for more than shakes, or has won: it stays until then (this machine's monotonic milliseconds). */
  keptUntilMs: number;
  /** It is not read: parked, or let go of. */
  isShed: boolean;
}

export const newLine = (): Pick<LineVisitor, 'keptUntilMs' | 'isShed'> => ({ keptUntilMs: 0, isShed: false });

interface Batch<L> {
  readonly lines: readonly L[];
  /** Those before it were brought back, or have gone. */
  from: number;
  readonly sinceMs: number;
}

/**
 * Connections that are not read. Parking one costs a tenth of a shake and while it is parked it costs nothing, whatever its client does; it
 * can be brought back, or let go of, which costs about a shake. Times are monotonic milliseconds.
 */
export class ParkedLines<L extends Line> {
  /** Connections let go of since the start. */
  letGoCount = 0;
  /** In the order in which they were parked. */
  private readonly batches: Batch<L>[] = [];
  private readonly toHangUp: L[] = [];
  private hungUp = 0;

  constructor(
    private readonly lines: ReadonlyMap<L, LineVisitor>,
    private readonly random: () => number,
  ) {}

  /** Those that can be brought back. */
  get count(): number {
    return this.batches.reduce((sum, { lines, from }) => sum + lines.length - from, 0);
  }

  /** Connections that are read. */
  get readCount(): number {
    return this.lines.size - this.count - (this.toHangUp.length - this.hungUp);
  }

  /** Goes on reading such a part of the connections that are read, at random; those that are spared are among them. How many it parked. */
  park(share: number, nowMs: number): number {
    let spared = 0;
    let others = 0;
    for (const visitor of this.lines.values()) {
      if (visitor.isShed) continue;
      if (isSpared(visitor, nowMs)) spared += 1;
      else others += 1;
    }
    const shareOfOthers = share - ((1 - share) * spared) / others;
    // only what is needed is remembered: with an entry of its own for each it took twice as long
    const lines: L[] = [];
    for (const [line, visitor] of this.lines) {
      if (visitor.isShed || isSpared(visitor, nowMs) || this.random() < shareOfOthers) continue;
      visitor.isShed = true;
      line.pause();
      lines.push(line);
    }
    if (lines.length > 0) this.batches.push({ lines, from: 0, sinceMs: nowMs });
    return lines.length;
  }

  /** Reads so many again, those that were parked first. */
  bringBack(count: number): void {
    for (let left = count; left >= 1; left--) {
      const line = this.takeFirst();
      if (line === undefined) return;
      this.lines.get(line)!.isShed = false;
      line.resume();
    }
  }

  /** Those that were parked before can not be brought back any more. */
  letGoParkedBefore(ms: number): void {
    while (this.batches.length > 0 && this.batches[0]!.sinceMs < ms) {
      const { lines, from } = this.batches.shift()!;
      for (const line of lines.slice(from)) {
        if (!this.lines.has(line)) continue;
        this.letGoCount += 1;
        this.toHangUp.push(line);
      }
    }
  }

  /** Hangs up on so many of those that were let go of. */
  hangUp(count: number): void {
    for (let left = count; left >= 1 && this.hungUp < this.toHangUp.length; left--) {
      this.toHangUp[this.hungUp]!.destroy();
      this.hungUp += 1;
    }
    if (this.hungUp < this.toHangUp.length) return;
    this.toHangUp.length = 0;
    this.hungUp = 0;
  }

  private takeFirst(): L | undefined {
    for (let first = this.batches[0]; first !== undefined; first = this.batches[0]) {
      while (first.from < first.lines.length) {
        const line = first.lines[first.from]!;
        first.from += 1;
        if (this.lines.has(line)) return line;
      }
      this.batches.shift();
    }
    return undefined;
  }
}

function isSpared({ no, keptUntilMs }: LineVisitor, nowMs: number): boolean {
  return no < 0 || keptUntilMs > nowMs;
}
