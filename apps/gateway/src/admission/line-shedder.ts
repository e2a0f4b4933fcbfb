import type { ProbeLook } from '#libs/runtime';
import { type Line, type LineVisitor, ParkedLines } from './parked-lines.ts';

/**
 * Most winners open, and most who opened share, within this. (A minute was too long: with sixty winners a second those who were spared asked for
 * as much as could be answered, and opens stood in the queue of their shakes.)
 */
const keptForMs = 15_000;
const busyFrom = 0.85;
/** Below it a process is late because of others. */
const loadPerSecondMin = 500;
/** How often they ask is counted for so long at least: too few come within less. */
const shownAfterMs = 80;
/** When some are parked at all, no more than such a part goes on being read. */
const readShareMax = 0.9;
/** Who is brought back asks at once for what he waits for: how often they ask is counted after that. */
const steadyAfterMs = 100;
/** So many are read that they ask for this part of what can be answered. */
const aimShare = 0.92;
/** Whoever asked on a parked connection has gone by then, and most of the others are about to. */
const parkedMaxMs = 1800;
/** Rates are averaged over about five steps: a step may have what the one before has left. */
const rateWeight = 0.2;
/** What could be answered a step ago, and was not since, counts for a little less. */
const rateKept = 0.94;
/** Such a part of what can be answered goes to new connections however much there is to do, and such a part of the time that is left. */
const comersShare = 0.25;
const idleShare = 0.75;
/** A new connection costs as much as so many requests (measured: a process whose phones all come anew answers a third of them); hanging up as one. */
const requestsPerConnection = 3;
/** Requests wait too long for anybody new to come in for so many steps in a row: one pause is none of the clients' doing. */
const crowdedSteps = 2;
/** So much room there is at most, unless nobody comes for it: then no limit is needed. */
const roomMax = 500;
/** Of a step: a process that could do next to nothing lately finds out what it can do. */
const bringBackMin = 20;
const comersMin = 5;
/** Of a process that does less it is hard to tell what it could do: when it is held to a part of a core most of that is idle time. */
const tellingUtilisation = 0.5;

export interface LineLimits {
  /** Requests that wait for this long until they are read are too many. Infinite: they never are. */
  readonly waitMaxMs: number;
  /**
   * So many go on being read as can be answered within this, however often they ask: each waits for one answer at a time, so they make
   * nobody wait for longer.
   */
  readonly leastReadMs: number;
  /** Connections are brought back, and new ones come in, while requests wait for less than this. */
  readonly calmMs: number;
  /** So many are parked that a longer wait falls to that within this. */
  readonly calmWithinMs: number;
  /** Who asks for more than shakes, or has won, is spared. */
  readonly sparesOthers: boolean;
}

export interface LineFigures extends ProbeLook {
  /** Monotonic. */
  readonly nowMs: number;
  readonly elapsedMs: number;
  readonly utilisation: number;
  /** Requests, and connections that came, since the last step; `readBefore` counts the same requests. */
  readonly requests: number;
  readonly connections: number;
}

/**
 * The last valve of a process that is asked for more than it can even refuse. When requests wait too long until they are read, most of those
 * who wait will have gone by then, and answering them keeps the others waiting for ever (a server that answers only those who have gone
 * answers nobody). It is counted how often those ask who are read, and so it is known how many can be read; the others, connections that only
 * shake, at random, are parked: they are not read. When the wait is over more are brought back, as many as can be read by then. Those for whom
 * there was no time while they were there are let go of, and hung up on by and by. Nobody new comes in meanwhile, and afterwards no more than
 * there is time for. How it fares is shown by flood.spec.ts.
 */
export class LineShedder<L extends Line> {
  private readonly parked: ParkedLines<L>;
  /** So many may come in besides those who are there; infinite unless requests waited too long lately. */
  private room = Number.POSITIVE_INFINITY;
  /** Steps in a row in which nobody new should have come in. */
  private crowded = 0;
  /** Those who were brought back ask at once for what they waited for: how often they ask is counted from then on. */
  private steadyFromMs = 0;
  /** An earlier one of the process's own requests, read since as many connections are read as now. */
  private own: { readonly sentAtMs: number; readonly readBefore: number } | undefined;
  /** Requests that can be answered in a millisecond, and those that were of late. */
  private perMs = 0;
  private latePerMs = 0;
  private lateUtilisation = 1;
  /** Requests of a connection that is read, in a millisecond; undefined: not known yet. */
  private perLineMs: number | undefined;

  constructor(
    private readonly lines: ReadonlyMap<L, LineVisitor>,
    private readonly limits: LineLimits,
    /** Connections of proxies among them. */
    private readonly proxies: () => number = () => 0,
    random: () => number = Math.random,
  ) {
    this.parked = new ParkedLines(lines, random);
  }

  /** Connections let go of since the start. */
  get shed(): number {
    return this.parked.letGoCount;
  }

  /** Connections that are not read for the moment, and are brought back if there is time. */
  get parkedCount(): number {
    return this.parked.count;
  }

  /** So many connections may there be; while there are as many nobody new is to come in (see DoorLatch). */
  get connectionsMax(): number {
    return this.lines.size + Math.floor(this.room);
  }

  /** Somebody on it asks for what matters more than shakes. */
  keep(line: L, nowMs: number): void {
    const visitor = this.limits.sparesOthers ? this.lines.get(line) : undefined;
    if (visitor !== undefined) visitor.keptUntilMs = nowMs + keptForMs;
  }

  /** Each `admissionStepMs`. */
  step(figures: LineFigures): void {
    const { nowMs, elapsedMs, utilisation, readWaitMs, requests, connections } = figures;
    // a process that does little but accept connections whose clients have gone answers next to no requests: that is a load too
    const isLoaded = (requests + connections) * 1000 >= loadPerSecondMin * elapsedMs;
    const hasTime = utilisation < busyFrom;
    const isBusy = !hasTime && isLoaded;
    // a step that was spent on parking has no requests, and many wait
    const isCalm = hasTime || readWaitMs < this.limits.calmMs;
    this.learnRate(figures, isCalm);
    this.learnAsked(figures);
    this.crowded = isBusy && readWaitMs > this.limits.waitMaxMs ? this.crowded + 1 : 0;
    if (isBusy && !isCalm) this.parkTooMany(readWaitMs, nowMs);
    this.bringBack(figures, hasTime);
    this.parked.letGoParkedBefore(nowMs - parkedMaxMs);
    const idle = idleShare * Math.max(1 - utilisation, 0) * this.perMs * elapsedMs;
    const isShut = this.crowded >= crowdedSteps || this.parked.count > 0;
    const comers = isShut || !isCalm ? 0 : this.comersOf(idle + comersShare * this.perMs * elapsedMs, hasTime);
    if (isShut) this.admitNobodyNew();
    else this.makeRoom(comers, connections);
    // who comes in takes the place of somebody who has gone: a process whose connections only grow in number spends its time on them
    this.parked.hangUp(idle + comers);
  }

  /**
   * What is answered while somebody waits is what can be answered, or was a moment ago (a pause, or parking, says nothing about it); while
   * nobody does, no less than what is answered over the time that it takes. (Going by the former alone, a process that had once parked
   * everybody took next to nothing for all it can do.)
   */
  private learnRate({ requests, elapsedMs, utilisation }: LineFigures, isCalm: boolean): void {
    this.latePerMs += rateWeight * (requests / elapsedMs - this.latePerMs);
    this.lateUtilisation += rateWeight * (utilisation - this.lateUtilisation);
    const couldBe = this.lateUtilisation < tellingUtilisation ? 0 : this.latePerMs / this.lateUtilisation;
    this.perMs = isCalm ? Math.max(this.perMs, couldBe) : Math.max(rateKept * this.perMs, this.latePerMs);
  }

  /**
   * How often they ask who are read: as many requests as are read between two of the process's own came between those two. (How fast the wait
   * grows tells it too, but a pause of the process makes it grow as well.)
   */
  private learnAsked({ ownSentAtMs, readBefore }: LineFigures): void {
    if (ownSentAtMs < this.steadyFromMs) return;
    this.own ??= { sentAtMs: ownSentAtMs, readBefore };
    const ms = ownSentAtMs - this.own.sentAtMs;
    if (ms < shownAfterMs) return;
    const perLineMs = Math.max(readBefore - this.own.readBefore, 1) / (ms * Math.max(this.parked.readCount, 1));
    this.perLineMs = ((this.perLineMs ?? perLineMs) + perLineMs) / 2;
    this.own = { sentAtMs: ownSentAtMs, readBefore };
  }

  /** So many can be read that the wait soon is what it should be; at least so many that they can do no harm however often they ask. */
  private readMost(waitMs: number): number {
    const { calmMs, calmWithinMs, leastReadMs } = this.limits;
    const perMs = (1 - (waitMs - calmMs) / calmWithinMs) * this.perMs;
    return this.perLineMs === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(perMs / this.perLineMs, leastReadMs * this.perMs);
  }

  private parkTooMany(waitMs: number, nowMs: number): void {
    if (waitMs < this.limits.waitMaxMs) return;
    const share = this.readMost(waitMs) / this.parked.readCount;
    if (share >= readShareMax || this.parked.park(share, nowMs) === 0) return;
    this.own = undefined;
  }

  /**
   * As many as can be read besides the others, all of them when there is time left; no more at once than make requests wait for too long, for
   * each of them may have asked, and then not before it is seen what came of it.
   */
  private bringBack({ nowMs, readWaitMs, ownSentAtMs }: LineFigures, hasTime: boolean): void {
    if (this.parked.count === 0 || ownSentAtMs < this.steadyFromMs) return;
    const most = hasTime ? Number.POSITIVE_INFINITY : aimShare * this.readMost(readWaitMs);
    const atOnce = Math.max((this.limits.waitMaxMs - readWaitMs) * this.perMs, hasTime ? bringBackMin : 0);
    const count = Math.min(this.parked.count, most - this.parked.readCount, atOnce);
    if (count < bringBackMin) return;
    this.parked.bringBack(count);
    this.steadyFromMs = nowMs + steadyAfterMs;
    this.own = undefined;
  }

  /** A proxy spreads what it is asked for by itself: refused, it would take this process for a dead one. */
  private admitNobodyNew(): void {
    if (this.proxies() === 0) this.room = 0;
  }

  /** Connections that there is time for instead of so many requests. */
  private comersOf(requests: number, hasTime: boolean): number {
    return Math.max(requests / requestsPerConnection, hasTime ? comersMin : 0);
  }

  private makeRoom(count: number, came: number): void {
    if (this.room === Number.POSITIVE_INFINITY) return;
    const room = Math.max(this.room - came, 0) + count;
    this.room = room > roomMax && came === 0 ? Number.POSITIVE_INFINITY : Math.min(room, roomMax);
  }
}
