import { type CryptoKey, errors, type JWTVerifyGetKey } from 'jose';
import { Breaker } from '#libs/isolation';
import { type LinkState, ProblemError } from '#libs/runtime';
import { type LocalKeys, readJwks } from './jwks-read.ts';

export interface JwksLimits {
  /** One read of the keys, from connecting to the last byte. */
  readonly timeoutMs: number;
  readonly bytesMax: number;
  /** Callers that wait for a read: one more is refused at once. */
  readonly waitersMax: number;
  /** An unknown key id makes the set be read again, but not sooner than this after it was read. */
  readonly cooldownMs: number;
  readonly refreshMs: number;
  /** `start` looks so often whether the keys are to be read: sooner than `refreshMs` when the last try failed and the breaker allows it. */
  readonly lookMs: number;
}

const defaults: JwksLimits = {
  timeoutMs: 2000,
  bytesMax: 1024 * 1024,
  waitersMax: 1000,
  cooldownMs: 10_000,
  refreshMs: 5 * 60_000,
  lookMs: 500,
};

/** One read at a time: the first that fails says that its address is away, the first that succeeds that it is back. */
const oneRead = { callsWatched: 1, failuresMax: 1, openFirstMs: 500, openMaxMs: 5000, probesToClose: 1 };

/**
 * The keys of a host application, read again in the background; the last ones are kept while their address is away. `algorithms` are
 * those they may be used with: a token never chooses.
 *
 * A token of a known key is verified without asking anybody. Only one of an unknown key waits, for the one read that is under way, and only
 * while the reads before it went well: after one that failed nobody waits, and the address is left alone but for a probe of the breaker.
 */
export class JwksSessionKey {
  readonly algorithms = ['RS256', 'ES256', 'EdDSA'];
  private readonly limits: JwksLimits;
  private readonly monotonicMs: () => number;
  private readonly breaker: Breaker;
  private known: LocalKeys | undefined;
  /** When the keys known were read. */
  private readAtMs = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | undefined;
  private waiters = 0;
  private refusedFull = 0;
  private refusedOpen = 0;
  private timer: NodeJS.Timeout | undefined;
  private onFailure: (cause: unknown) => void = () => undefined;

  /** @param monotonicMs milliseconds that never go back. */
  constructor(
    private readonly address: string,
    limits: Partial<JwksLimits> = {},
    monotonicMs = (): number => performance.now(),
  ) {
    this.limits = { ...defaults, ...limits };
    this.monotonicMs = monotonicMs;
    this.breaker = new Breaker({ ...oneRead, monotonicMs });
  }

  get state(): LinkState {
    const { waiters, breaker, refusedFull, refusedOpen } = this;
    return { callsUnderWay: waiters, breaker: breaker.state, refusedFull, refusedOpen, repeats: 0 };
  }

  /** Begins to read the keys, and to keep them fresh; `onFailure` is told when reading them begins to fail. */
  start(onFailure: (cause: unknown) => void): void {
    this.onFailure = onFailure;
    this.timer = setInterval(() => this.look(), this.limits.lookMs);
    this.timer.unref();
    this.look();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /**
   * The key of a token.
   * @throws jose's error when no key fits the token; ProblemError `dependency_unavailable` when it may be of a key that cannot be read,
   * `overloaded` when too many wait for that.
   */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    if (this.known === undefined) await this.readNow();
    try {
      return await this.find(header, token);
    } catch (cause) {
      const isOld = this.monotonicMs() - this.readAtMs >= this.limits.cooldownMs;
      if (!(cause instanceof errors.JWKSNoMatchingKey) || !isOld) throw cause;
    }
    await this.readNow();
    return await this.find(header, token);
  };

  private look(): void {
    const isDue = this.breaker.state !== 'closed' || this.monotonicMs() - this.readAtMs >= this.limits.refreshMs;
    if (isDue) this.read()?.catch(() => undefined);
  }

  private async find(...[header, token]: Parameters<LocalKeys>): Promise<CryptoKey> {
    try {
      return await this.known!(header, token);
    } catch (cause) {
      throw isTokensFault(cause) ? cause : keysAway(cause);
    }
  }

  /** Waits for the read that is under way, or a new one. @throws ProblemError at once where that is not to be waited for. */
  private async readNow(): Promise<void> {
    const reading = this.read();
    if (reading === undefined || this.breaker.state !== 'closed') {
      this.refusedOpen += 1;
      throw keysAway();
    }
    if (this.waiters >= this.limits.waitersMax) {
      this.refusedFull += 1;
      throw new ProblemError('overloaded', 'too many sessions wait for their keys');
    }
    this.waiters += 1;
    try {
      await reading;
    } catch (cause) {
      throw keysAway(cause);
    } finally {
      this.waiters -= 1;
    }
  }

  /** The read that is under way, else a new one; undefined: the address is not to be asked now. */
  private read(): Promise<void> | undefined {
    if (this.reading !== undefined) return this.reading;
    const permit = this.breaker.enter();
    if (permit === undefined) return undefined;
    const wasWell = this.breaker.state === 'closed';
    const reading = readJwks(this.address, this.limits).then(
      (keys) => {
        permit('ok');
        this.known = keys;
        this.readAtMs = this.monotonicMs();
      },
      (cause: unknown) => {
        permit('failed');
        if (wasWell) this.onFailure(cause);
        throw cause;
      },
    );
    this.reading = reading.finally(() => {
      this.reading = undefined;
    });
    // whoever wants to know waits for it; a probe has nobody who does
    this.reading.catch(() => undefined);
    return this.reading;
  }
}

function isTokensFault(cause: unknown): boolean {
  return (
    cause instanceof errors.JWKSNoMatchingKey ||
    cause instanceof errors.JWKSMultipleMatchingKeys ||
    cause instanceof errors.JOSENotSupported
  );
}

function keysAway(cause?: unknown): ProblemError {
  return new ProblemError('dependency_unavailable', 'the session keys cannot be read', {}, { cause });
}
