import type { UserHash } from '#libs/domain';
import type { Session, ShakePace } from './session.ts';
import { TokenHash } from './token-hash.ts';

/** An entry is 8 words, 32 bytes: two in a cache line. Words 0 to 2 are the hash. */
const entryWords = 8;
const userLowAt = 3;
const userHighAt = 4;
/** Whole seconds since the epoch, unsigned; 0: nothing here may be used any more. */
const untilAt = 5;
/** The next entry of the same chain, plus one; 0: none. */
const nextAt = 6;
/** Low half: the count of early shakes. Above: whether the entry was used since the clock's hand passed. */
const earlyAt = 7;

const earlyMask = 0xffff;
const usedBit = 0x1_0000;
/** The hand of the clock gives up looking for an unused entry after this many and takes the one it stands on. */
const handLooksMax = 64;
const secondMs = 1000;

/** What a verification found out about a token. */
export interface VerifiedToken {
  readonly user: UserHash;
  readonly cachedUntilMs: number;
}

/**
 * The verified sessions of this process in memory of a fixed size outside the heap: a million of them are 36 MB, where objects under
 * their tokens are about 500 MB and are walked by every collection. An entry is found by a keyed hash of the whole header
 * (TokenHash, all 96 bits compared), chained from a table of heads; when all entries are taken, the hand of a clock takes over one that
 * was not used since it last passed (second chance), looking at 64 at most. What falls out is verified again and loses its pace, no more.
 *
 * Pages are touched as entries are used, so a gateway that serves few users stays small.
 */
export class SessionTable {
  private readonly words: Int32Array;
  private readonly heads: Int32Array;
  private readonly headMask: number;
  private used = 0;
  private hand = 0;

  /**
   * @param sessionsMax most sessions kept.
   * @param tokenHash with keys of its own unless a test gives one.
   */
  constructor(
    private readonly sessionsMax: number,
    private readonly tokenHash = new TokenHash(),
  ) {
    this.words = new Int32Array(sessionsMax * entryWords);
    this.heads = new Int32Array(powerOfTwoFrom(sessionsMax));
    this.headMask = this.heads.length - 1;
  }

  /** Sessions in memory, ended ones that nobody has taken the place of included. */
  get size(): number {
    return this.used;
  }

  /** Bytes when every entry is in use. */
  get bytes(): number {
    return this.words.byteLength + this.heads.byteLength;
  }

  /**
   * The session of a header; undefined when it is not kept or must be verified (again) at `nowMs`, milliseconds of this machine's
   * clock.
   */
  find(authorization: string, nowMs: number): Session | undefined {
    const at = this.look(authorization);
    if (at < 0 || (this.words[at + untilAt]! >>> 0) * secondMs <= nowMs) return undefined;
    this.words[at + earlyAt]! |= usedBit;
    return new CachedSession(this.words, at, authorization);
  }

  /** True for a header that was verified here before, even if that is too long ago by now. */
  knows(authorization: string): boolean {
    return this.look(authorization) >= 0;
  }

  /** A header that was known does not verify any more: its entry is never found again, and the clock's hand takes it. */
  forget(authorization: string): void {
    const at = this.look(authorization);
    if (at < 0) return;
    // the first word stays: it tells which chain the entry is in
    this.words.fill(0, at + 1, at + userLowAt);
    this.words[at + untilAt] = 0;
  }

  /** Keeps a session that was just verified; one that was kept goes on with its pace. The session, as `find` gives it. */
  put(authorization: string, { user, cachedUntilMs }: VerifiedToken, nowMs: number): Session {
    const known = this.look(authorization);
    const at = known >= 0 ? known : this.add(nowMs);
    const { words } = this;
    words[at + userLowAt] = user.low;
    words[at + userHighAt] = user.high;
    words[at + untilAt] = Math.floor(cachedUntilMs / secondMs);
    return new CachedSession(this.words, at, authorization);
  }

  /** Where the entry of a header begins, or -1; leaves the header's hash in `tokenHash`. */
  private look(authorization: string): number {
    this.tokenHash.take(authorization);
    const { words } = this;
    const hash = this.tokenHash.words;
    const first = hash[0]!;
    let next = this.heads[first & this.headMask]!;
    while (next !== 0) {
      const at = (next - 1) * entryWords;
      if (words[at] === first && words[at + 1] === hash[1] && words[at + 2] === hash[2]) return at;
      next = words[at + nextAt]!;
    }
    return -1;
  }

  /** An entry for the hash in `tokenHash`, which is not kept: its place in `words`. */
  private add(nowMs: number): number {
    const entry = this.used < this.sessionsMax ? this.used++ : this.takeOver(nowMs);
    const at = entry * entryWords;
    const { words, heads } = this;
    words.set(this.tokenHash.words, at);
    const head = words[at]! & this.headMask;
    words[at + nextAt] = heads[head]!;
    heads[head] = entry + 1;
    words[at + earlyAt] = 0;
    return at;
  }

  /** Frees the entry that the clock's hand finds: an ended or unused one, or the last it looked at. */
  private takeOver(nowMs: number): number {
    for (let looks = 1; ; looks++) {
      const entry = this.hand;
      this.hand = entry + 1 === this.sessionsMax ? 0 : entry + 1;
      const at = entry * entryWords;
      const isEnded = (this.words[at + untilAt]! >>> 0) * secondMs <= nowMs;
      const isUsed = (this.words[at + earlyAt]! & usedBit) !== 0;
      if (isUsed && !isEnded && looks < handLooksMax) {
        this.words[at + earlyAt]! &= ~usedBit;
        continue;
      }
      this.unchain(entry);
      return entry;
    }
  }

  private unchain(entry: number): void {
    const { words, heads } = this;
    const at = entry * entryWords;
    const head = words[at]! & this.headMask;
    if (heads[head] === entry + 1) {
      heads[head] = words[at + nextAt]!;
      return;
    }
    let before = (heads[head]! - 1) * entryWords;
    while (words[before + nextAt] !== entry + 1) before = (words[before + nextAt]! - 1) * entryWords;
    words[before + nextAt] = words[at + nextAt]!;
  }
}

/** An entry of a table as a session: a short-lived object of a few words, whose pace reads and writes the entry. */
class CachedSession implements Session, ShakePace {
  readonly user: UserHash;

  constructor(
    private readonly words: Int32Array,
    private readonly at: number,
    private readonly authorization: string,
  ) {
    this.user = { low: words[at + userLowAt]!, high: words[at + userHighAt]! };
  }

  get pace(): ShakePace {
    return this;
  }

  get userId(): string {
    return subjectOf(this.authorization);
  }

  get cachedUntilMs(): number {
    return (this.words[this.at + untilAt]! >>> 0) * secondMs;
  }

  get earlyCount(): number {
    return this.words[this.at + earlyAt]! & earlyMask;
  }

  set earlyCount(count: number) {
    const flags = this.words[this.at + earlyAt]! & ~earlyMask;
    this.words[this.at + earlyAt] = flags | Math.min(count, earlyMask);
  }
}

/** The user id in a header whose token was verified: its claims are known to be sound. */
function subjectOf(authorization: string): string {
  const claims = authorization.slice(authorization.indexOf('.') + 1, authorization.lastIndexOf('.'));
  return JSON.parse(Buffer.from(claims, 'base64url').toString()).sub;
}

function powerOfTwoFrom(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}
