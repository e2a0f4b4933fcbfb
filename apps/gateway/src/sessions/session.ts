import type { UserHash } from '#libs/domain';

/** A verified session. One object per token as long as it is cached, so that what is known of it costs no look-up. */
export interface Session {
  readonly userId: string;
  readonly user: UserHash;
  /** Until then the token need not be verified again: its end, or sooner. This machine's clock, as the token's own times. */
  readonly cachedUntilMs: number;
  readonly pace: ShakePace;
}

/** How a session shakes, kept for its pace alone: no limit depends on it. Times are store-clock milliseconds. */
export interface ShakePace {
  lastShakeMs: number;
  /** Shakes in a row that came too early. */
  earlyCount: number;
  /** The last slot that was counted, and in which event. */
  lastSlot: number;
  lastEventId: number;
}

export const newShakePace = (): ShakePace => ({ lastShakeMs: 0, earlyCount: 0, lastSlot: -1, lastEventId: 0 });
