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

/** Users looked at per sweep: a sweep each tick passes a full memory in under a minute. */
const sweepUsersMax = 256;

/**
 * The winners of one event that this process answered, until their tickets are past. It supplements the state that clients keep:
 * a user who repeats a shake meets the same ticket again (a lost answer is repaired), and one who comes over several connections
 * or forgets the state wins no more for it. Bounded: what falls out is stopped at the open (invariant 5).
 */
export class RecentWins {
  /** In the order of the latest change, so that the longest unchanged is first. */
  private readonly users = new Map<number, UserWins>();

  constructor(private readonly usersMax: number) {}

  get size(): number {
    return this.users.size;
  }

  /** The user's wins, not merged: some may be past. */
  of(user: UserHash): readonly ShakeWin[] | undefined {
    return this.users.get(keyOf(user))?.wins;
  }

  /** What this user was answered in this turn or a later one (turns are fewer when the pace grew), if it was a ticket that still holds. */
  answerFrom(turn: number, user: UserHash, nowMs: number): PreparedAnswer | undefined {
    const latest = this.users.get(keyOf(user))?.latest;
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
      this.users.delete(key);
      // most entries are as they were; merging each of them took 3 % of a gateway that many win at
      const wins = entry.wins.some((win) => isPast(win, nowMs)) ? mergeShakeStates([entry], nowMs) : entry.wins;
      if (wins.length > 0) this.users.set(key, wins === entry.wins ? entry : { ...entry, wins });
    }
  }

  private put(key: number, entry: UserWins): void {
    this.users.delete(key);
    this.users.set(key, entry);
    if (this.users.size > this.usersMax) this.users.delete(this.users.keys().next().value!);
  }
}

const isPast = ({ expiresAtMs }: ShakeWin, nowMs: number): boolean => expiresAtMs !== 0 && expiresAtMs <= nowMs;

/** The leading 53 of the 64 bits: that two of the users remembered share them does not happen. */
const keyOf = ({ low, high }: UserHash): number => high * 0x20_0000 + (low >>> 11);
