import { decodeProtectedHeader, jwtVerify } from 'jose';
import type { GatewayConfig } from '#libs/contracts';
import { type HashKey, isUserId, userHashKeyOf, userHashOf } from '#libs/domain';
import { bearerToken, type LinkState, type Logger, ProblemError } from '#libs/runtime';
import { SecretTokens, type TokenRules, type TokenSubject } from './secret-tokens.ts';
import type { Session } from './session.ts';
import { JwksSessionKey } from './session-keys.ts';
import { SessionTable } from './session-table.ts';
import { authorizationCharsMax } from './token-hash.ts';

/** A cached session is verified again after this, so that a key taken out of the JWKS stops working. */
const sessionCachedMaxMs = 10 * 60_000;
/** Verifications by JWKS under way, of which half may wait for keys (session-keys.ts): one more is refused rather than queued. */
const verificationsMax = 2000;
/** Clocks of issuer and gateway may differ by this. */
const clockToleranceSeconds = 5;

type SessionConfig = Pick<
  GatewayConfig,
  'SESSION_SECRET' | 'SESSION_JWKS_URL' | 'SESSION_ISSUER' | 'SESSION_AUDIENCE' | 'SESSIONS_CACHED_MAX' | 'LUCK_SECRET'
>;

/** Whose session a token is: HS256 by the shared secret, or RS256, ES256, EdDSA by the JWKS. The algorithm is pinned to the key. */
export class SessionVerifier {
  private readonly table: SessionTable;
  private readonly secretTokens: SecretTokens | undefined;
  private readonly jwks: JwksSessionKey | undefined;
  private readonly userHashKey: HashKey;
  private readonly rules: TokenRules;
  private verifications = 0;

  constructor(config: SessionConfig) {
    this.rules = {
      ...(config.SESSION_ISSUER === undefined ? {} : { issuer: config.SESSION_ISSUER }),
      ...(config.SESSION_AUDIENCE === undefined ? {} : { audience: config.SESSION_AUDIENCE }),
      toleranceSeconds: clockToleranceSeconds,
    };
    this.table = new SessionTable(config.SESSIONS_CACHED_MAX);
    this.secretTokens =
      config.SESSION_SECRET === undefined ? undefined : new SecretTokens(config.SESSION_SECRET, this.rules);
    this.jwks = config.SESSION_JWKS_URL === undefined ? undefined : new JwksSessionKey(config.SESSION_JWKS_URL);
    this.userHashKey = userHashKeyOf(Buffer.from(config.LUCK_SECRET));
  }

  get cachedCount(): number {
    return this.table.size;
  }

  /** How the address of the session keys fares; undefined: there is none. */
  get keysLink(): LinkState | undefined {
    return this.jwks?.state;
  }

  start(logger: Logger): void {
    this.jwks?.start((err) => logger.warn({ err }, 'session keys cannot be read: the last ones known are used'));
  }

  stop(): void {
    this.jwks?.stop();
  }

  /** A token of these claims by the shared secret; the settings see to it that there is one where guests are let in. */
  sign(claims: Readonly<Record<string, unknown>>): string {
    if (this.secretTokens === undefined) throw new Error('there is no SESSION_SECRET to sign with');
    return this.secretTokens.sign(claims);
  }

  /** The session of an Authorization header that was verified before. */
  cached(authorization: string | undefined): Session | undefined {
    if (authorization === undefined || authorization.length > authorizationCharsMax) return undefined;
    return this.table.find(authorization, Date.now());
  }

  /** True for a header that was verified before, even if it must be verified again by now: it is no new session. */
  knows(authorization: string): boolean {
    return authorization.length <= authorizationCharsMax && this.table.knows(authorization);
  }

  /**
   * Verifies a header that is not cached without waiting, where that is possible. `later`: its key is the JWKS's, ask `verify`.
   */
  verifyNow(authorization: string | undefined): Session | 'later' | 'refused' {
    const token = bearerToken(authorization);
    if (authorization === undefined || token === undefined || authorization.length > authorizationCharsMax)
      return 'refused';
    const nowMs = Date.now();
    const subject = this.secretTokens?.verify(token, nowMs);
    if (subject !== undefined) return this.keep(authorization, subject, nowMs);
    if (this.jwks !== undefined && !isSecretToken(token)) return 'later';
    return this.refuse(authorization);
  }

  /**
   * Whose session an Authorization header is; it is cached from then on.
   * @throws ProblemError `unauthenticated`; `dependency_unavailable` when no session keys could be read; `overloaded` when too
   * many verifications are under way.
   */
  async verify(authorization: string | undefined): Promise<Session> {
    const known = this.cached(authorization) ?? this.verifyNow(authorization);
    const session = known === 'later' ? await this.verifyByJwks(authorization!) : known;
    if (session === 'refused') throw new ProblemError('unauthenticated');
    return session;
  }

  private async verifyByJwks(authorization: string): Promise<Session | 'refused'> {
    if (this.verifications >= verificationsMax) throw new ProblemError('overloaded', 'too many new sessions at once');
    this.verifications += 1;
    try {
      return this.keep(authorization, await this.jwksSubjectOf(authorization), Date.now());
    } finally {
      this.verifications -= 1;
    }
  }

  private async jwksSubjectOf(authorization: string): Promise<TokenSubject> {
    const { issuer, audience, toleranceSeconds } = this.rules;
    const { key, algorithms } = this.jwks!;
    const options = {
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
      algorithms,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: toleranceSeconds,
    };
    try {
      return (await jwtVerify(bearerToken(authorization)!, key, options)).payload as TokenSubject;
    } catch (cause) {
      if (cause instanceof ProblemError) throw cause;
      this.refuse(authorization);
      throw notVerified(cause);
    }
  }

  /** Keeps what was verified, unless its subject is no user id. */
  private keep(authorization: string, { sub, exp }: TokenSubject, nowMs: number): Session | 'refused' {
    if (typeof sub !== 'string' || !isUserId(sub)) return this.refuse(authorization);
    const cachedUntilMs = Math.min((exp + clockToleranceSeconds) * 1000, nowMs + sessionCachedMaxMs);
    return this.table.put(authorization, { user: userHashOf(this.userHashKey, sub), cachedUntilMs }, nowMs);
  }

  /** Forgets what was known of it: what does not verify any more counts as new from now on. */
  private refuse(authorization: string): 'refused' {
    this.table.forget(authorization);
    return 'refused';
  }
}

function notVerified(cause: unknown): ProblemError {
  return new ProblemError('unauthenticated', undefined, {}, { cause });
}

/** True for what only the secret could verify, and for what is no token: neither is asked of the JWKS. */
function isSecretToken(token: string): boolean {
  try {
    return decodeProtectedHeader(token).alg === 'HS256';
  } catch {
    // no header that can be read: no key would verify it
    return true;
  }
}
