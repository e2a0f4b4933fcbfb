import type { UserHash } from '#libs/domain';

/**
 * A verified session. Whose it is holds for good; its pace is what the table keeps (see SessionTable): it is read and written in the turn of
 * the event loop in which the session was looked up, later it may be another's.
 */
export interface Session {
  /** Of a cached session it is read out of the token each time, about a microsecond: for wins, not for every shake. */
  readonly userId: string;
  readonly user: UserHash;
  /** Until then the token need not be verified again: its end, or sooner. This machine's clock, as the token's own times. */
  readonly cachedUntilMs: number;
  readonly pace: ShakePace;
}

/** How a session shakes, kept for its pace alone: no limit on what it wins depends on it. */
export interface ShakePace {
  /** How many early shakes came since the last punctual one, up to 65 535. */
  earlyCount: number;
}

export const newShakePace = (): ShakePace => ({ earlyCount: 0 });
