import type { DegradationHolder, LocalAdmission } from '#libs/degradation';
import { priorityAt, type UserHash } from '#libs/domain';
import { stretchMaxAt } from './event-turns.ts';

/** Share of the users whose shakes are drawn while shakes are paced by their tier; the others change with the minute. */
const pacedShare = 0.5;
/** Shakes that are paced by their tier come this many times less often, on top of the gateway's own pace. */
const pacedStretch = 4;
/** What one who is told to rest waits at least. */
export const restMinMs = 3000;

/** The gateway's own pace; see PaceController. */
export interface Pace {
  /** How many slots there are to a turn, at least 1. */
  readonly stretch: number;
  /** Nobody is called sooner than in this time: there is a crowd at the door that was not seen yet. */
  readonly deferMs: number;
  /** The process cannot keep up at the moment. */
  readonly isBehind: boolean;
}

/** What this process does by itself; see LocalAdmission. */
export type LocalShare = Pick<LocalAdmission, 'shareOf'>;

const everybody: LocalShare = { shareOf: () => 1 };
const unpaced: Pace = { stretch: 1, deferMs: 0, isBehind: false };

/** Whether a shake is drawn, and how far turns are stretched: what shakes yield to more important work, and to each other. */
export class ShakeAdmission {
  constructor(
    private readonly degradation: Pick<DegradationHolder, 'modeOf'>,
    readonly pace: Pace = unpaced,
    private readonly local: LocalShare = everybody,
  ) {}

  /** False: answer `rest`. Thinning keeps the same users for a minute (libs/domain, user-priority). */
  admits(user: UserHash, nowMs: number): boolean {
    const mode = this.degradation.modeOf('shakes');
    const share = this.local.shareOf('shake');
    if (mode === 'full') return share >= 1 || isAmong(share, user, nowMs);
    return mode !== 'off' && isAmong(Math.min(share, pacedShare), user, nowMs);
  }

  /** How far the turns of an event with this interval are stretched: never so far that somebody waits longer than ten seconds. */
  stretch(shakeIntervalMs: number): number {
    const factor = this.degradation.modeOf('shakes') === 'full' ? 1 : pacedStretch;
    return Math.min(this.pace.stretch * factor, stretchMaxAt(shakeIntervalMs));
  }
}

function isAmong(share: number, user: UserHash, nowMs: number): boolean {
  return share > 0 && priorityAt(user, nowMs) < share;
}
