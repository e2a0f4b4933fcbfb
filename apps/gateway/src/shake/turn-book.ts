import type { UserHash } from '#libs/domain';

/** Active users are counted in periods of this. */
export const activePeriodMs = 500;

/** Users of one event that are remembered; one more takes the place of the longest unseen of its set. About 16 MB when full. */
const usersKeptMax = 2 ** 20;
/** Places that a user may have: with four of them next to nobody is displaced before the book is three quarters full. */
const setSize = 4;
/** A place: tag, turn, told, seen. A set fills a cache line. */
const words = 4;
const [turnAt, toldAt, seenAt] = [1, 2, 3];
/** Periods whose users are counted: twice the longest wait that an event may ask for (a minute and the rest of a slot). */
const periodsKept = 512;
/** A user is awaited so much longer than it was told: networks, clocks, slow phones. */
const patienceMs = 1000;

export const noTurn = -(2 ** 31);

/**
 * What one gateway knows of the users of one event, in memory of fixed size and without an object per user: the last turn that was
 * drawn, the slot that the user was told to come back in, and when it was last seen, for the count of active users. A user that
 * was displaced is met as a new one, which costs it nothing and wins it nothing: the same turn has the same luck.
 */
export class TurnBook {
  // pages that nobody touches take no memory: an event that is never shaken costs nothing
  private readonly places: Int32Array;
  /** Users last seen in each period (ring). */
  private readonly seenIn = new Int32Array(periodsKept);
  /** Up to which value of `awaited` the users of a period are still awaited. */
  private readonly awaitedUntil = new Int32Array(periodsKept);
  /** The current period; 0 marks an empty place. */
  private period = 1;
  /** Periods that count towards absence: time in which the gateway could not keep up does not. */
  private awaited = 0;
  private longestWaitMs = 0;
  private arrived = 0;

  /** @param usersKept a power of two. */
  constructor(private readonly usersKept = usersKeptMax) {
    this.places = new Int32Array(usersKept * words);
  }

  /** The place of a user, who is seen now. Valid until the next call. */
  visit(user: UserHash): number {
    const { places } = this;
    const first = (user.low & (this.usersKept / setSize - 1)) * setSize * words;
    const end = first + setSize * words;
    let oldest = first;
    for (let place = first; place < end; place += words) {
      if (places[place] === user.high && places[place + seenAt]! > 0) return this.see(place);
      if (places[place + seenAt]! < places[oldest + seenAt]!) oldest = place;
    }
    return this.settle(oldest, user.high);
  }

  /** The last turn that was drawn, or `noTurn`. */
  turnOf(place: number): number {
    return this.places[place + turnAt]!;
  }

  setTurn(place: number, turn: number): void {
    this.places[place + turnAt] = turn;
  }

  /** The slot that the user was told to come back in; `noTurn` before it was told any. */
  toldOf(place: number): number {
    return this.places[place + toldAt]!;
  }

  setTold(place: number, slot: number, waitMs: number): void {
    this.places[place + toldAt] = slot;
    if (waitMs > this.longestWaitMs) this.longestWaitMs = waitMs;
  }

  /** Ends a period. While the gateway is `behind`, those who wait in its queue are not taken for gone. */
  endPeriod(isBehind: boolean): void {
    const waitPeriods = Math.ceil((this.longestWaitMs + patienceMs) / activePeriodMs);
    this.awaitedUntil[this.period % periodsKept] = this.awaited + waitPeriods;
    this.longestWaitMs = 0;
    this.period += 1;
    if (!isBehind) this.awaited += 1;
    this.seenIn[this.period % periodsKept] = 0;
  }

  /** Users that were seen, and whose next shake is not overdue. */
  activeUsers(): number {
    let users = this.seenIn[this.period % periodsKept]!;
    for (let age = 1; age < periodsKept && age < this.period; age++) {
      const seen = this.period - age;
      if (this.isAwaited(seen)) users += this.seenIn[seen % periodsKept]!;
    }
    return users;
  }

  /** Users that were not active before, since the last call. */
  takeArrived(): number {
    const { arrived } = this;
    this.arrived = 0;
    return arrived;
  }

  private see(place: number): number {
    const seen = this.places[place + seenAt]!;
    if (seen === this.period) return place;
    if (!this.isAwaited(seen)) this.arrived += 1;
    this.leave(seen);
    this.enter(place);
    return place;
  }

  private settle(place: number, tag: number): number {
    const seen = this.places[place + seenAt]!;
    if (seen > 0) this.leave(seen);
    this.places[place] = tag;
    this.places[place + turnAt] = noTurn;
    this.places[place + toldAt] = noTurn;
    this.arrived += 1;
    this.enter(place);
    return place;
  }

  private enter(place: number): void {
    this.places[place + seenAt] = this.period;
    this.seenIn[this.period % periodsKept]! += 1;
  }

  private isAwaited(seen: number): boolean {
    return this.period - seen < periodsKept && this.awaitedUntil[seen % periodsKept]! > this.awaited;
  }

  private leave(seen: number): void {
    if (this.period - seen < periodsKept) this.seenIn[seen % periodsKept]! -= 1;
  }
}
