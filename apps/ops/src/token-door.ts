import { createHmac, randomBytes } from 'node:crypto';
import { FailureLimiter } from './failure-limiter.ts';
import { neighbourhoodOf } from './neighbourhood.ts';
import type { Actor, OpsTokens } from './ops-tokens.ts';

const minuteMs = 60_000;
/** Different wrong tokens of one neighbourhood per minute (and at once) after which it is limited. */
const strangerGuessesPerMinute = 10;
/** The same in a limited neighbourhood that somebody came in from, for the sake of those who did. */
const neighbourGuessesPerMinute = 6000;
/** Neighbourhoods that failed, about 300 bytes each. */
const strangersMax = 10_000;
/** Neighbourhoods that somebody came in from. */
const neighboursMax = 1000;

/** `limited`: the token was given no chance, right or wrong; the milliseconds say when one may have it. */
export type Entry =
  | { readonly status: 'in'; readonly actor: Actor }
  | { readonly status: 'wrong' }
  | { readonly status: 'limited'; readonly retryAfterMs: number };

/**
 * Lets in who brings a token of the operations REST, and slows down guessing without locking operators out. Counted are different wrong
 * tokens per neighbourhood (an IPv4 address, an IPv6 /64): a tab or a script that repeats a stale token for hours has guessed once.
 *
 * A limited neighbourhood gets one more guess each 6 s. A right token that came in from there before, since this process started, is let
 * in all the same: behind one address there may be an office, a tunnel or a proxy, and a guesser among them must not take the controls
 * from the operators. That makes guesses at just this token possible there, so they have a bound too: 100 different wrong tokens a
 * second, 6000 at once. Only beyond it do operators of that address wait, together with the guesser.
 *
 * Why that is safe: a token has at least 16 characters; of random hexadecimal ones that is 2^64 tokens, and 100 guesses a second for ten
 * years hit it with a chance of 2 in a thousand million. At all other addresses, where a guesser can be told from operators, he has 14 400
 * guesses a day. Whatever the token is worth, it is always hashed and compared with every known one in constant time, and what was given no
 * chance gets the same answer and is counted the same way whether it was right or wrong: a guesser learns by being let in, and by nothing
 * else. Both memories are bounded, and only who has a token can write to the one that lets in.
 */
export class TokenDoor {
  private readonly strangers: FailureLimiter;
  private readonly neighbours: FailureLimiter;
  /** Who came in, by neighbourhood; the one that was used the longest ago leaves first. */
  private readonly cameIn = new Map<string, ReadonlySet<Actor>>();
  /** Of this process alone: nobody can make two tokens that count as one. */
  private readonly fingerprintKey = randomBytes(32);

  /** @param monotonicMs monotonic milliseconds. */
  constructor(
    private readonly tokens: OpsTokens,
    monotonicMs: () => number,
  ) {
    const limiter = (perMinute: number, sourcesMax: number) =>
      new FailureLimiter({ failuresMax: perMinute, forgetMs: minuteMs / perMinute, sourcesMax, monotonicMs });
    this.strangers = limiter(strangerGuessesPerMinute, strangersMax);
    this.neighbours = limiter(neighbourGuessesPerMinute, neighboursMax);
  }

  /** Neighbourhoods remembered: that failed, and that somebody came in from. */
  get sizes(): { readonly failed: number; readonly cameIn: number } {
    return { failed: this.strangers.size, cameIn: this.cameIn.size };
  }

  /** `address`: as sockets and proxies write it; undefined when the caller is gone. */
  enter(address: string | undefined, token: string): Entry {
    const from = neighbourhoodOf(address);
    const fingerprint = this.fingerprintOf(token);
    const actor = this.tokens.actorOf(token);
    const waitMs = this.strangers.waitMs(from);
    if (waitMs > 0) return this.enterLimited(from, fingerprint, actor, waitMs);
    if (actor !== undefined) return this.letIn(from, actor);
    this.strangers.fail(from, fingerprint);
    return { status: 'wrong' };
  }

  private enterLimited(from: string, fingerprint: number, actor: Actor | undefined, waitMs: number): Entry {
    const known = this.cameIn.get(from);
    if (known === undefined) return { status: 'limited', retryAfterMs: waitMs };
    const neighbourWaitMs = this.neighbours.waitMs(from);
    if (neighbourWaitMs > 0) return { status: 'limited', retryAfterMs: neighbourWaitMs };
    if (actor !== undefined && known.has(actor)) return this.letIn(from, actor);
    this.neighbours.fail(from, fingerprint);
    return { status: 'limited', retryAfterMs: waitMs };
  }

  private letIn(from: string, actor: Actor): Entry {
    const known = this.cameIn.get(from);
    this.cameIn.delete(from);
    this.cameIn.set(from, known?.has(actor) ? known : new Set([...(known ?? []), actor]));
    const oldest = this.cameIn.keys().next();
    if (this.cameIn.size > neighboursMax && !oldest.done) this.cameIn.delete(oldest.value);
    return { status: 'in', actor };
  }

  /** 48 bits. Two wrong tokens that share them count as one, which is harmless and as rare. */
  private fingerprintOf(token: string): number {
    return createHmac('sha256', this.fingerprintKey).update(token).digest().readUIntBE(0, 6);
  }
}
