import type { DegradationHolder } from '#libs/degradation';
import { priorityMinute, priorityOf, type UserHash } from '#libs/domain';

/** Share of the users whose shakes are drawn while shakes are paced; the others change with the minute. */
const pacedShare = 0.5;
/** Paced shakes come this many times less often, but no interval is stretched beyond `pacedIntervalMaxMs`. */
const pacedIntervalFactor = 4;
const pacedIntervalMaxMs = 10_000;
/** What one who is told to rest waits at least. */
const restMinMs = 3000;

/** Whether a shake is drawn, and how soon the next one may come: what shakes yield to more important work. */
export class ShakeAdmission {
  constructor(private readonly degradation: Pick<DegradationHolder, 'modeOf'>) {}

  /** False: answer `rest`. Thinning keeps the same users for a minute (libs/domain, user-priority). */
  admits(user: UserHash, nowMs: number): boolean {
    const mode = this.degradation.modeOf('shakes');
    if (mode === 'full') return true;
    return mode !== 'off' && priorityOf(user, priorityMinute(nowMs)) < pacedShare;
  }

  /** How long a user who was drawn waits at least, where the event asks for `shakeIntervalMs`. */
  intervalMs(shakeIntervalMs: number): number {
    if (this.degradation.modeOf('shakes') === 'full') return shakeIntervalMs;
    return Math.max(shakeIntervalMs, Math.min(shakeIntervalMs * pacedIntervalFactor, pacedIntervalMaxMs));
  }

  /** How long a user who was told to rest waits at least. */
  restMs(shakeIntervalMs: number): number {
    return Math.max(this.intervalMs(shakeIntervalMs), restMinMs);
  }
}
