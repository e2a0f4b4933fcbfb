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
/**
 * At once at least, and at most, such a part of the connections is let go of: by the time that the wait is seen it has grown, and opens wait for
 * it three times. They do not come back before there is room.
 */
const shedShare = { least: 0.5, most: 0.8 };
/** It is aimed at this part of the longest wait: the fewer at once, the fewer too many. */
const aimShare = 0.75;
const busyFrom = 0.85;
/** Below it a process is late because of others. */
const loadPerSecondMin = 500;
/** Hanging up costs about as much as a shake: such a part of what is answered, and more when there is time. */
const hangUpShare = 0.05;
const hangUpsWhenIdle = 100;
/** Requests wait too long for anybody new to come in for so many steps in a row: one pause is none of the clients' doing. */
const crowdedSteps = 2;
/** Each step there may be so many more: for each request, and in the time that is left. */
const roomShare = 0.1;
const connectionCostMs = 0.3;
/** So much room, and nobody has come for it: no limit is needed. */
const roomMax = 5000;

export interface LineLimits {
  /** Requests that wait longer than this until they are read are too many: connections are let go of. Infinite: none ever is. */
  readonly waitMaxMs: number;
  /** While requests wait longer than this nobody new comes in, for a new connection costs ten times a shake. Infinite: anybody may. */
  readonly comeMaxMs: number;
}

export interface LineFigures {
  readonly nowMs: number;
  readonly elapsedMs: number;
  readonly utilisation: number;
  /** What a request waits until it is read: how late the event loop is. */
  readonly loopDelayMs: number;
  /** Requests, and connections that came, since the last step. */
  readonly requests: number;
  readonly connections: number;
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
  /** Connections that may be read; infinite unless requests waited too long lately. */
  private readMax = Number.POSITIVE_INFINITY;
  /** Steps in a row in which nobody new should have come in. */
  private crowded = 0;

  constructor(
    private readonly lines: ReadonlyMap<L, LineVisitor>,
    private readonly limits: LineLimits,
    /** Connections of proxies among them. */
    private readonly proxies: () => number = () => 0,
    private readonly random: () => number = Math.random,
  ) {}

  /** So many connections may there be; while there are as many nobody new is to come in (see DoorLatch). */
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
    const { nowMs, elapsedMs, utilisation, loopDelayMs, requests, connections } = figures;
    // a process that does little but accept connections whose clients have gone answers next to no requests: that is a load too
    const isLoaded = (requests + connections) * 1000 >= loadPerSecondMin * elapsedMs;
    const isBusy = utilisation >= busyFrom && isLoaded;
    if (isBusy && loopDelayMs > this.limits.waitMaxMs) {
      const share = 1 - (aimShare * this.limits.waitMaxMs) / loopDelayMs;
      this.letGo(Math.min(Math.max(share, shedShare.least), shedShare.most), nowMs);
    }
    this.crowded = isBusy && loopDelayMs > this.limits.comeMaxMs ? this.crowded + 1 : 0;
    if (this.crowded >= crowdedSteps) this.admitNobodyNew();
    else if (!isBusy || loopDelayMs < this.limits.comeMaxMs / 2) this.makeRoom(roomIn(figures));
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
  }

  /** A proxy spreads what it is asked for by itself: refused, it would take this process for a dead one. */
  private admitNobodyNew(): void {
    if (this.proxies() > 0) return;
    this.readMax = Math.min(this.readMax, this.readCount);
  }

  private makeRoom(count: number): void {
    this.readMax += count;
    if (this.readMax - this.readCount > roomMax) this.readMax = Number.POSITIVE_INFINITY;
  }

  private get readCount(): number {
    return this.lines.size - (this.toHangUp.length - this.hungUp);
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

function roomIn({ elapsedMs, utilisation, requests }: LineFigures): number {
  return Math.ceil(requests * roomShare + (elapsedMs * (1 - utilisation)) / connectionCostMs);
}
