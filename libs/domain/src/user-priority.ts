import { fractionOfUser, type UserHash } from './luck.ts';
import type { HashKey } from './sip-hash.ts';

/** Sets this hash apart from stagger and luck. The user hash is secret already, so the key need not be. */
const priorityKey: HashKey = { k0Low: 0x7072696f, k0High: 0x72697479, k1Low: 0x686f6e67, k1High: 0x62616f31 };

/** Milliseconds after which priorities are dealt anew: long enough to finish what one began, short enough to be fair. */
export const priorityPeriodMs = 60_000;

/** The number of the minute that `nowMs` is in, as priorityOf takes it. */
export function priorityMinute(nowMs: number): number {
  return Math.floor(nowMs / priorityPeriodMs);
}

/**
 * A user's priority in a minute: uniform in [0, 1), the same on every gateway. Thinning to a share p admits the users below p:
 * they stay admitted for the minute while the others get one quick answer; the next minute deals anew.
 */
export function priorityOf(user: UserHash, minute: number): number {
  return fractionOfUser(priorityKey, user, 0, minute);
}

/** A user's priority in the minute that `nowMs` is in. */
export function priorityAt(user: UserHash, nowMs: number): number {
  return priorityOf(user, priorityMinute(nowMs));
}
