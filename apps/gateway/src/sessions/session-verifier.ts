import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { GatewayConfig } from '#libs/contracts';
import { type HashKey, isUserId, userHashKeyOf, userHashOf } from '#libs/domain';
import { bearerToken, type Logger, ProblemError } from '#libs/runtime';
import { newShakePace, type Session } from './session.ts';
import { SessionCache } from './session-cache.ts';
import { JwksSessionKey, type SessionKey, secretSessionKey } from './session-keys.ts';

/** Phones that one gateway serves at a time, about 500 bytes each. */
const sessionsCachedMax = 200_000;
/** A cached session is verified again after this, so that a key taken out of the JWKS stops working. */
const sessionCachedMaxMs = 10 * 60_000;
/** Longer tokens are refused unread. */
const sessionTokenCharsMax = 4096;
/** Verifications under way: one more is refused rather than queued. */
const verificationsMax = 2000;
/** Clocks of issuer and gateway may differ by this. */
const clockToleranceSeconds = 5;

type SessionConfig = Pick<
  GatewayConfig,
  'SESSION_SECRET' | 'SESSION_JWKS_URL' | 'SESSION_ISSUER' | 'SESSION_AUDIENCE' | 'LUCK_SECRET'
>;

/** Whose session a token is: HS256 by the shared secret, or RS256, ES256, EdDSA by the JWKS. The algorithm is pinned to the key. */
export class SessionVerifier {
  private readonly cache = new SessionCache(sessionsCachedMax);
  private readonly secret: SessionKey | undefined;
  private readonly jwks: JwksSessionKey | undefined;
  private readonly userHashKey: HashKey;
  private readonly claims: { issuer?: string; audience?: string };
  private verifications = 0;

  constructor(config: SessionConfig) {
    this.secret = config.SESSION_SECRET === undefined ? undefined : secretSessionKey(config.SESSION_SECRET);
    this.jwks = config.SESSION_JWKS_URL === undefined ? undefined : new JwksSessionKey(config.SESSION_JWKS_URL);
    this.userHashKey = userHashKeyOf(Buffer.from(config.LUCK_SECRET));
    this.claims = {
      ...(config.SESSION_ISSUER === undefined ? {} : { issuer: config.SESSION_ISSUER }),
      ...(config.SESSION_AUDIENCE === undefined ? {} : { audience: config.SESSION_AUDIENCE }),
    };
  }

  get cachedCount(): number {
    return this.cache.size;
  }

  start(logger: Logger): void {
    this.jwks?.start((err) => logger.warn({ err }, 'session keys cannot be read: the last ones known are used'));
  }

  stop(): void {
    this.jwks?.stop();
  }

  /** The session of an Authorization header that was verified before, without waiting. */
  cached(authorization: string | undefined): Session | undefined {
    return authorization === undefined ? undefined : this.cache.get(authorization, Date.now());
  }

  /**
   * The session of an Authorization header.
   * @throws ProblemError `unauthenticated`; `dependency_unavailable` when no session keys could be read; `overloaded` when too
   * many verifications are under way.
   */
  async verify(authorization: string | undefined): Promise<Session> {
    const cached = this.cached(authorization);
    if (cached !== undefined) return cached;
    const token = bearerToken(authorization);
    if (authorization === undefined || token === undefined || token.length > sessionTokenCharsMax)
      throw new ProblemError('unauthenticated');
    if (this.verifications >= verificationsMax) throw new ProblemError('overloaded', 'too many new sessions at once');
    this.verifications += 1;
    try {
      const session = this.sessionOf(await this.payloadOf(token));
      this.cache.set(authorization, session);
      return session;
    } finally {
      this.verifications -= 1;
    }
  }

  private async payloadOf(token: string): Promise<JWTPayload> {
    try {
      const isSecret = decodeProtectedHeader(token).alg === 'HS256';
      const sessionKey = isSecret ? this.secret : this.jwks;
      if (sessionKey === undefined) throw new ProblemError('unauthenticated');
      const { algorithms } = sessionKey;
      const options = {
        ...this.claims,
        algorithms,
        requiredClaims: ['sub', 'exp'],
        clockTolerance: clockToleranceSeconds,
      };
      return (await jwtVerify(token, sessionKey.key, options)).payload;
    } catch (cause) {
      throw cause instanceof ProblemError ? cause : notVerified(cause);
    }
  }

  private sessionOf({ sub, exp }: JWTPayload): Session {
    if (sub === undefined || exp === undefined || !isUserId(sub))
      throw new ProblemError('unauthenticated', 'the session names no valid user');
    const cachedUntilMs = Math.min((exp + clockToleranceSeconds) * 1000, Date.now() + sessionCachedMaxMs);
    return { userId: sub, user: userHashOf(this.userHashKey, sub), cachedUntilMs, pace: newShakePace() };
  }
}

function notVerified(cause: unknown): ProblemError {
  return new ProblemError('unauthenticated', undefined, {}, { cause });
}
