import { randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import { type GatewayConfig, isoOf, type Session } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { ProblemError } from '#libs/runtime';

/** A guest keeps its wallet for as long as its token lives. */
const guestSessionTtlMs = 24 * 3_600_000;
const guestIdBytes = 12;

type GuestConfig = Pick<GatewayConfig, 'GUEST_SESSIONS' | 'SESSION_SECRET' | 'SESSION_ISSUER' | 'SESSION_AUDIENCE'>;

/** Sessions for whoever asks, under any name: for demos and rehearsals, where no host application signs people in. */
export class GuestSessionsService {
  constructor(
    private readonly config: GuestConfig,
    private readonly degradation: Pick<DegradationHolder, 'isOn'>,
  ) {}

  /** @throws ProblemError `feature_off` unless GUEST_SESSIONS is on and the feature has not yielded. */
  async create(userId = `g-${randomBytes(guestIdBytes).toString('hex')}`): Promise<Session> {
    const { GUEST_SESSIONS, SESSION_SECRET, SESSION_ISSUER, SESSION_AUDIENCE } = this.config;
    if (GUEST_SESSIONS === 'off' || SESSION_SECRET === undefined)
      throw new ProblemError('feature_off', 'guest sessions are off');
    if (!this.degradation.isOn('guest_sessions')) throw new ProblemError('feature_off');
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiresAt = issuedAt + guestSessionTtlMs / 1000;
    const token = new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(userId);
    token.setIssuedAt(issuedAt).setExpirationTime(expiresAt);
    if (SESSION_ISSUER !== undefined) token.setIssuer(SESSION_ISSUER);
    if (SESSION_AUDIENCE !== undefined) token.setAudience(SESSION_AUDIENCE);
    return { token: await token.sign(Buffer.from(SESSION_SECRET)), userId, expiresAt: isoOf(expiresAt * 1000) };
  }
}
