import { mergeShakeStates, type ShakeWin, type UserHash } from '#libs/domain';
import type { PreparedAnswer } from '../process/raw-answer.ts';

/** What this process remembers of one user in one event. */
interface UserWins {
  readonly wins: readonly ShakeWin[];
  /** The latest win; undefined when only opened packets are known. */
  readonly latest: LatestWin | undefined;
}

interface LatestWin {
  readonly turn: number;
  readonly answer: PreparedAnswer;
  /** When the ticket in the answer expires. */
  readonly expiresAtMs: number;
}

/** Users looked at per sweep: a sweep each tick passes a full memory in under two minutes. */
const sweepUsersMax = 64;
/** Places of the index, a power of two: most are empty even when the memory is full. */
const placeCount = 2 ** 18;
/** A place that this many users fell on is never empty again: the index then says `perhaps`, for no good reason, and no harm is done. */
const countMax = 255;

/** Part of a full memory that is forgotten at once. */
const droppedShare = 1 / 16;

/**
 * The winners of one event that this process answered, until their tickets are past. It supplements the state that clients keep:
 * a user who repeats a shake meets the same ticket again (a lost answer is repaired), and one who comes over several connections
 * or forgets the state wins no more for it. Bounded: what falls out is stopped at the open (invariant 5).
 */
export class RecentWins {
  /** In the order of the latest change, so that the longest unchanged is first. */
  private readonly users = new Map<number, UserWins>();
  /**
   * How many of the users fall on each place. 0 says that a user is none of them: most shakes are told so by one byte, where to look into a large
   * map for a key that is not there costs a quarter of a microsecond, and each shake asks twice.
   */
  private readonly index = new Uint8Array(placeCount);

  constructor(private readonly usersMax: number) {}

  get size(): number {
    return this.users.size;
  }

  /** The user's wins, not merged: some may be past. */
  of(user: UserHash): readonly ShakeWin[] | undefined {
    return this.find(user)?.wins;
  }

  /** What this user was answered in this turn or a later one (turns are fewer when the pace grew), if it was a ticket that still holds. */
  answerFrom(turn: number, user: UserHash, nowMs: number): PreparedAnswer | undefined {
    const latest = this.find(user)?.latest;
    return latest !== undefined && latest.turn >= turn && latest.expiresAtMs > nowMs ? latest.answer : undefined;
  }

  /** Remembers a win and its answer. */
  add(user: UserHash, win: ShakeWin, turn: number, answer: PreparedAnswer, nowMs: number): void {
    const key = keyOf(user);
    const known = this.users.get(key)?.wins ?? [];
    const wins = mergeShakeStates([{ wins: known }, { wins: [win] }], nowMs);
    this.put(key, { wins, latest: { turn, answer, expiresAtMs: win.expiresAtMs } });
  }

  /** Remembers that a packet is the user's for good: it counts towards the limits until the event ends or it falls out. */
  markOpened(user: UserHash, packetId: bigint, sponsorNo: number, nowMs: number): void {
    const key = keyOf(user);
    const known = this.users.get(key);
    const opened = { packetId, sponsorNo, expiresAtMs: 0 };
    const wins = mergeShakeStates([{ wins: known?.wins ?? [] }, { wins: [opened] }], nowMs);
    this.put(key, { wins, latest: known?.latest });
  }

  /** Forgets users whose tickets are past, looking at the longest unchanged ones; whoever holds an opened packet is kept. */
  sweep(nowMs: number): void {
    let looks = Math.min(this.users.size, sweepUsersMax);
    for (const [key, entry] of this.users) {
      if (looks-- <= 0) return;
      // most entries are as they were; merging each of them took 3 % of a gateway that many win at
      const wins = entry.wins.some((win) => isPast(win, nowMs)) ? mergeShakeStates([entry], nowMs) : entry.wins;
      if (wins.length > 0) this.put(key, wins === entry.wins ? entry : { ...entry, wins });
      else this.drop(key);
    }
  }

  private find(user: UserHash): UserWins | undefined {
    return this.index[placeOf(user.low >>> 11)] === 0 ? undefined : this.users.get(keyOf(user));
  }

  private put(key: number, entry: UserWins): void {
    this.drop(key);
    this.users.set(key, entry);
    const place = placeOf(key);
    if (this.index[place]! < countMax) this.index[place]! += 1;
    if (this.users.size > this.usersMax) this.dropOldest();
  }

  /** Many at once: the iterator of a Map skips each entry that was deleted before, which one at a time cost up to 38 µs. */
  private dropOldest(): void {
    let left = Math.max(1, Math.floor(this.usersMax * droppedShare));
    for (const key of this.users.keys()) {
      if (left-- <= 0) return;
      this.drop(key);
    }
  }

  private drop(key: number): void {
    const place = placeOf(key);
    if (this.users.delete(key) && this.index[place]! < countMax) this.index[place]! -= 1;
  }
}

const isPast = ({ expiresAtMs }: ShakeWin, nowMs: number): boolean => expiresAtMs !== 0 && expiresAtMs <= nowMs;

/** The leading 53 of the 64 bits: that two of the users remembered share them does not happen. */
const keyOf = ({ low, high }: UserHash): number => high * 0x20_0000 + (low >>> 11);

/** The last bits of a key, which are those of `low >>> 11` too. Keys may be negative; the remainder is exact. */
const placeOf = (key: number): number => (key % placeCount) & (placeCount - 1);
