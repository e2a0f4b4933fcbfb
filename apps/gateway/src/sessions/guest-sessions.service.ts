import { randomBytes } from 'node:crypto';
import { type GatewayConfig, isoOf, type Session } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { ProblemError } from '#libs/runtime';
import type { Doorkeeper, VisitorRequest } from '../abuse/doorkeeper.ts';
import type { SessionVerifier } from './session-verifier.ts';

/** A guest keeps its wallet for as long as its token lives. */
const guestSessionTtlMs = 24 * 3_600_000;
const guestIdBytes = 12;

export interface GuestParts {
  readonly config: Pick<GatewayConfig, 'GUEST_SESSIONS'>;
  readonly degradation: Pick<DegradationHolder, 'isOn'>;
  readonly doorkeeper: Doorkeeper;
  readonly sessions: SessionVerifier;
}

/** Sessions for whoever asks, under any name: for demos and rehearsals, where no host application signs people in. */
export class GuestSessionsService {
  constructor(private readonly parts: GuestParts) {}

  /**
   * @throws ProblemError `feature_off` unless GUEST_SESSIONS is on and the feature has not yielded; `overloaded` when too many are made from
   * the address of the request.
   */
  create(request: VisitorRequest, userId = `g-${randomBytes(guestIdBytes).toString('hex')}`): Session {
    const { config, degradation, doorkeeper, sessions } = this.parts;
    if (config.GUEST_SESSIONS === 'off') throw new ProblemError('feature_off', 'guest sessions are off');
    if (!degradation.isOn('guest_sessions')) throw new ProblemError('feature_off');
    if (!doorkeeper.admitsGuest(request)) throw new ProblemError('overloaded', 'too many new guests from this address');
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiresAt = issuedAt + guestSessionTtlMs / 1000;
    const token = sessions.sign({ sub: userId, iat: issuedAt, exp: expiresAt });
    return { token, userId, expiresAt: isoOf(expiresAt * 1000) };
  }
}
