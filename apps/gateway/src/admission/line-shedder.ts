import { type Line, type LineVisitor, ParkedLines } from './parked-lines.ts';

/** Winners open, and who opened shares, well within this. */
const keptForMs = 60_000;
const busyFrom = 0.85;
/** Below it a process is late because of others. */
const loadPerSecondMin = 500;
/** Waits that began within this of each other do not tell how fast they grow. */
const shownAfterMs = 200;
/** However fast the wait grows, such a part goes on being read; and however slowly, no more. */
const readShare = { least: 0.3, most: 0.9 };
/** Who is parked or brought back asks at once for what he waits for: how often they ask is counted after that, for so long. */
const steadyAfterMs = 100;
const countedMs = 150;
/** So many are read that they ask for this part of what can be answered. */
const aimShare = 0.92;
/** Whoever asked on a parked connection has gone by then, and most of the others are about to. */
const parkedMaxMs = 1800;
/** Rates are averaged over about five steps: a step may have what the one before has left. */
const rateWeight = 0.2;
/** Such a part of what can be answered goes to new connections however much there is to do, and such a part of the time that is left. */
const comersShare = 0.1;
const idleShare = 0.75;
/** A new connection costs as much as so many requests (measured: a process whose phones all come anew answers a third of them); hanging up as one. */
const requestsPerConnection = 3;
/** Requests wait too long for anybody new to come in for so many steps in a row: one pause is none of the clients' doing. */
const crowdedSteps = 2;
/** So much room, and nobody has come for it: no limit is needed. */
const roomMax = 500;
/** Of a step: a process that could do next to nothing lately finds out what it can do. */
const bringBackMin = 20;
const comersMin = 5;
/** Less is hard to tell from nothing. */
const utilisationMin = 0.05;
const nothingCounted = { ms: 0, requests: 0, lineMs: 0 };

export interface LineLimits {
  /** Requests that wait longer than this until they are read are too many. Infinite: they never are. */
  readonly waitMaxMs: number;
  /** Then such a part of the connections goes on being read: the smaller, the sooner nobody waits. */
  readonly firstReadShare: number;
  /** Connections are brought back, and new ones come in, while requests wait for less than this. */
  readonly calmMs: number;
  /** When requests go on waiting for this long, more of them are parked, so that it is calm within `calmWithinMs`. */
  readonly againFromMs: number;
  readonly calmWithinMs: number;
  /** Who asks for more than shakes, or has won, is spared. */
  readonly sparesOthers: boolean;
}

export interface LineFigures {
  readonly nowMs: number;
  readonly elapsedMs: number;
  readonly utilisation: number;
  /** What a request waits until it is read, and since when that is known (see ReadyProbe). */
  readonly readWaitMs: number;
  readonly readWaitSinceMs: number;
  /** How late timers are by now: the loop has been reading for so long without an end. */
  readonly overdueMs: number;
  /** Requests, and connections that came, since the last step. */
  readonly requests: number;
  readonly connections: number;
}

/**
 * The last valve of a process that is asked for more than it can even refuse. When requests wait too long until they are read, most of those
 * who wait will have gone by then, and answering them keeps the others waiting for ever (a server that answers only those who have gone
 * answers nobody). Then most of the connections that only shake, at random, are parked: they are not read. As soon as nobody waits any
 * more it is seen how often those ask who are read, and so how many can be read, and so many are brought back. Those for whom there was no
 * time while they were there are let go of, and hung up on when there is nothing else to do. Nobody new comes in meanwhile, and afterwards
 * no more than there is time for. How it fares is shown by flood.spec.ts.
 */
export class LineShedder<L extends Line> {
  private readonly parked: ParkedLines<L>;
  /** So many may come in besides those who are there; infinite unless requests waited too long lately. */
  private room = Number.POSITIVE_INFINITY;
  /** Steps in a row in which nobody new should have come in. */
  private crowded = 0;
  /** Nobody has been parked since anybody could come in. */
  private isFresh = true;
  /** When connections were parked or brought back last: a wait that began before does not show it. */
  private changedAtMs = Number.NEGATIVE_INFINITY;
  /** An earlier wait since then. */
  private earlier: { readonly waitMs: number; readonly sinceMs: number } | undefined;
  /** Requests that can be answered in a millisecond, and those that were of late. */
  private perMs = 0;
  private latePerMs = 0;
  private lateUtilisation = 1;
  /** While nobody waits: for so long, requests, and connections that were read times milliseconds. */
  private counted = nothingCounted;
  /** Requests of a connection in a millisecond; undefined: not known since connections were parked. */
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
    const { nowMs, elapsedMs, utilisation, readWaitMs, readWaitSinceMs, requests, connections } = figures;
    // a process that does little but accept connections whose clients have gone answers next to no requests: that is a load too
    const isLoaded = (requests + connections) * 1000 >= loadPerSecondMin * elapsedMs;
    const hasTime = utilisation < busyFrom;
    const isBusy = !hasTime && isLoaded;
    // a step that was spent on parking has no requests, and many wait
    const isCalm = hasTime || readWaitMs < this.limits.calmMs;
    this.learnRate(figures, isCalm);
    if (readWaitSinceMs >= this.changedAtMs) {
      if (isCalm) this.count(figures);
      else if (isBusy) this.watchGrowth(figures);
    }
    if (isCalm) this.bringBack(nowMs, hasTime);
    this.parked.letGoParkedBefore(nowMs - parkedMaxMs);
    this.crowded = isBusy && readWaitMs > this.limits.waitMaxMs ? this.crowded + 1 : 0;
    const idle = idleShare * Math.max(1 - utilisation, 0) * this.perMs * elapsedMs;
    if (this.crowded >= crowdedSteps || this.parked.count > 0) this.admitNobodyNew();
    else this.makeRoom(isCalm ? this.comersOf(idle + comersShare * this.perMs * elapsedMs, hasTime) : 0, connections);
    this.parked.hangUp(idle);
  }

  /**
   * What is answered while somebody waits is what can be answered; while nobody does, no less than what is answered over the time that it
   * takes. (Going by the former alone, a process that had once parked everybody took next to nothing for all it can do.)
   */
  private learnRate({ requests, elapsedMs, utilisation }: LineFigures, isCalm: boolean): void {
    const perMs = requests / elapsedMs;
    this.latePerMs += rateWeight * (perMs - this.latePerMs);
    this.lateUtilisation += rateWeight * (utilisation - this.lateUtilisation);
    const couldBe = this.latePerMs / Math.max(this.lateUtilisation, utilisationMin);
    if (isCalm) this.perMs = Math.max(this.perMs, couldBe);
    else this.perMs += rateWeight * (perMs - this.perMs);
  }

  /** How often they ask who are read, while nobody waits. */
  private count({ elapsedMs, requests, nowMs }: LineFigures): void {
    this.earlier = undefined;
    if (this.room === Number.POSITIVE_INFINITY) this.isFresh = true;
    if (nowMs - elapsedMs < this.changedAtMs + steadyAfterMs) return;
    const ms = this.counted.ms + elapsedMs;
    const all = this.counted.requests + requests;
    const lineMs = this.counted.lineMs + this.parked.readCount * elapsedMs;
    this.counted = { ms, requests: all, lineMs };
    if (ms < countedMs) return;
    this.perLineMs = Math.max(all, 1) / Math.max(lineMs, 1);
    this.counted = nothingCounted;
  }

  /** The first time it is not known how many are too many. Later a wait that grows, with nothing done meanwhile, grows by what is too much. */
  private watchGrowth({ readWaitMs: waitMs, readWaitSinceMs: sinceMs, overdueMs, nowMs }: LineFigures): void {
    const { waitMaxMs, firstReadShare, againFromMs, calmMs, calmWithinMs } = this.limits;
    this.counted = nothingCounted;
    if (this.isFresh) {
      if (Math.max(waitMs, overdueMs) >= waitMaxMs) this.park(firstReadShare, nowMs);
      return;
    }
    if (sinceMs < this.changedAtMs + steadyAfterMs) return;
    const elapsedMs = sinceMs - (this.earlier?.sinceMs ?? sinceMs);
    const growth = (waitMs - (this.earlier?.waitMs ?? 0)) / elapsedMs;
    const growthMax = -(waitMs - calmMs) / calmWithinMs;
    if (this.earlier === undefined || (growth <= growthMax && elapsedMs > 0)) this.earlier = { waitMs, sinceMs };
    else if (elapsedMs >= shownAfterMs && waitMs >= againFromMs) {
      const share = (1 + growthMax) / (1 + growth);
      this.park(Math.min(Math.max(share, readShare.least), readShare.most), nowMs);
    }
  }

  private park(share: number, nowMs: number): void {
    this.parked.park(share, nowMs);
    this.isFresh = false;
    this.perLineMs = undefined;
    this.changed(nowMs);
  }

  /**
   * As many as can be read besides the others, all of them when there is time left; no more at once than make requests wait for too long, for
   * each of them may have asked.
   */
  private bringBack(nowMs: number, hasTime: boolean): void {
    if (this.parked.count === 0 || (!hasTime && this.perLineMs === undefined)) return;
    const wanted = hasTime ? this.parked.count : (aimShare * this.perMs) / this.perLineMs! - this.parked.readCount;
    const count = Math.min(wanted, Math.max(this.limits.waitMaxMs * this.perMs, bringBackMin));
    if (count < 1) return;
    this.parked.bringBack(count);
    this.changed(nowMs);
  }

  private changed(nowMs: number): void {
    this.earlier = undefined;
    this.counted = nothingCounted;
    this.changedAtMs = nowMs;
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
    this.room = Math.max(this.room - came, 0) + count;
    if (this.room > roomMax) this.room = Number.POSITIVE_INFINITY;
  }
}
