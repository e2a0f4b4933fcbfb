import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { ProblemError } from '#libs/runtime';

const jwksTimeoutMs = 2000;
/** An unknown key id makes the set be read again, but not more often than this. */
const jwksCooldownMs = 10_000;
const jwksRefreshMs = 5 * 60_000;

/**
 * The keys of a host application, read again in the background; the last ones are kept while their address is away. `algorithms` are
 * those they may be used with: a token never chooses.
 */
export class JwksSessionKey {
  readonly algorithms = ['RS256', 'ES256', 'EdDSA'];
  private readonly keySet: ReturnType<typeof createRemoteJWKSet>;
  private timer: NodeJS.Timeout | undefined;

  constructor(address: string) {
    this.keySet = createRemoteJWKSet(new URL(address), {
      timeoutDuration: jwksTimeoutMs,
      cooldownDuration: jwksCooldownMs,
      cacheMaxAge: Number.POSITIVE_INFINITY,
    });
  }

  /** Begins to read the keys; `onFailure` is told of each try that failed. */
  start(onFailure: (cause: unknown) => void): void {
    const reload = (): void => void this.keySet.reload().catch(onFailure);
    this.timer = setInterval(reload, jwksRefreshMs);
    this.timer.unref();
    reload();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** @throws jose's error when no key fits the token; ProblemError `dependency_unavailable` when no keys could be read. */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.keySet(header, token);
    } catch (cause) {
      throw isTokensFault(cause) ? cause : keysAway(cause);
    }
  };
}

function isTokensFault(cause: unknown): boolean {
  return (
    cause instanceof errors.JWKSNoMatchingKey ||
    cause instanceof errors.JWKSMultipleMatchingKeys ||
    cause instanceof errors.JOSENotSupported
  );
}

function keysAway(cause: unknown): ProblemError {
  return new ProblemError('dependency_unavailable', 'the session keys cannot be read', {}, { cause });
}
