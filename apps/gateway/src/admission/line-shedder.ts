/** What is needed of a connection. */
export interface Line {
  pause(): unknown;
  destroy(): unknown;
}

/** What is remembered of a connection. */
export interface LineVisitor {
  /** The number of its client's address; below 0: a trusted proxy, which carries others too. */
  readonly no: number;
  /** Somebody on it asks for more than shakes, or has won: it stays until then (this machine's monotonic milliseconds). */
  keptUntilMs: number;
  /** It is not read any more. */
  isShed: boolean;
}

export const newLine = (): Pick<LineVisitor, 'keptUntilMs' | 'isShed'> => ({ keptUntilMs: 0, isShed: false });

/** Winners open, and who opened shares, well within this. */
const keptForMs = 60_000;
/** It takes so many steps in a row to be too late: one pause is none of the clients' doing. What was done shows by then too. */
const lateSteps = 3;
/** So many connections are let go of at most at once: each comes back as a new one, which costs ten times a shake. */
const shedShareMax = 0.3;
/** It is aimed at this part of the longest wait: the fewer at once, the fewer too many. */
const aimShare = 0.75;
const busyFrom = 0.85;
/** Below it a process is late because of others. */
const loadPerSecondMin = 500;
/** Hanging up costs about as much as a shake: such a part of what is answered, and more when there is time. */
const hangUpShare = 0.05;
const hangUpsWhenIdle = 100;
/** A new connection costs ten times a shake. Each step there may be so many more, for each request, and when there is time. */
const roomShare = 0.02;
const roomWhenIdle = 100;
/** So much room, and nobody has come for it: no limit is needed. */
const roomMax = 5000;

export interface LineFigures {
  readonly nowMs: number;
  readonly elapsedMs: number;
  readonly utilisation: number;
  /** What a request waits until it is read: how late the event loop is. */
  readonly loopDelayMs: number;
  /** Requests since the last step. */
  readonly requests: number;
}

/**
 * The last valve of a process that is asked for more than it can even refuse. When a request waits longer than `waitMaxMs` until it is
 * read, most of those who wait will have gone by then, and answering them keeps the others waiting for ever (a server that answers only
 * those who have gone answers nobody). Then it stops reading a part of the connections, at random among those that only shake, which is
 * as good as free, and hangs up on them as there is time. They come back as there is room.
 */
export class LineShedder<L extends Line> {
  /** Connections let go of since the start. */
  shed = 0;
  private readonly toHangUp: L[] = [];
  private hungUp = 0;
  /** Connections that may be read; infinite unless some were let go of lately. */
  private readMax = Number.POSITIVE_INFINITY;
  /** Of the last steps in a row that were too late. */
  private readonly waitsMs: number[] = [];

  constructor(
    private readonly lines: ReadonlyMap<L, LineVisitor>,
    private readonly waitMaxMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** So many connections may there be: more are closed as they come, before anything is done for them. */
  get connectionsMax(): number {
    return this.readMax + this.toHangUp.length - this.hungUp;
  }

  /** Somebody on it asks for what matters more than shakes. */
  keep(line: L, nowMs: number): void {
    const visitor = this.lines.get(line);
    if (visitor !== undefined) visitor.keptUntilMs = nowMs + keptForMs;
  }

  /** Each `admissionStepMs`. */
  step(figures: LineFigures): void {
    const { nowMs, elapsedMs, utilisation, loopDelayMs, requests } = figures;
    const isBusy = utilisation >= busyFrom && requests * 1000 >= loadPerSecondMin * elapsedMs;
    if (isBusy && loopDelayMs > this.waitMaxMs) this.waitsMs.push(loopDelayMs);
    else this.waitsMs.length = 0;
    if (this.waitsMs.length >= lateSteps) {
      const waitMs = Math.min(...this.waitsMs);
      this.letGo(Math.min(1 - (aimShare * this.waitMaxMs) / waitMs, shedShareMax), nowMs);
      this.waitsMs.length = 0;
    } else if (loopDelayMs < this.waitMaxMs / 2) this.makeRoom(isBusy ? Math.ceil(requests * roomShare) : roomWhenIdle);
    this.hangUp(isBusy ? Math.ceil(requests * hangUpShare) : hangUpsWhenIdle);
  }

  private letGo(share: number, nowMs: number): void {
    for (const [line, visitor] of this.lines) {
      if (visitor.isShed || visitor.no < 0 || visitor.keptUntilMs > nowMs || this.random() >= share) continue;
      visitor.isShed = true;
      this.shed += 1;
      line.pause();
      this.toHangUp.push(line);
    }
    this.readMax = this.lines.size - (this.toHangUp.length - this.hungUp);
  }

  private makeRoom(count: number): void {
    this.readMax += count;
    const read = this.lines.size - (this.toHangUp.length - this.hungUp);
    if (this.readMax - read > roomMax) this.readMax = Number.POSITIVE_INFINITY;
  }

  private hangUp(count: number): void {
    for (let left = count; left > 0 && this.hungUp < this.toHangUp.length; left--) {
      this.toHangUp[this.hungUp]!.destroy();
      this.hungUp += 1;
    }
    if (this.hungUp < this.toHangUp.length) return;
    this.toHangUp.length = 0;
    this.hungUp = 0;
  }
}
