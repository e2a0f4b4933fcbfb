/*
 * The life of an event.
 *
 *   draft ──arm──▶ armed ──startsAt──▶ live ──endsAt or close──▶ closed ──settle──▶ settled
 *                    └────────close: called off before it began─────▶
 *
 * draft:   a plan; no secret, no lanes, nothing published.
 * armed:   secret and lane counts are fixed, the commitment is published, pools are funded.
 * live:    blocks are stocked and reclaimed.
 * closed:  nothing is issued; tickets and shares that are out still count.
 * settled: what nobody claimed is refunded, the secret is revealed; nothing changes any more.
 */

export type EventState = 'draft' | 'armed' | 'live' | 'closed' | 'settled';

export const eventStates: readonly EventState[] = ['draft', 'armed', 'live', 'closed', 'settled'];

const nextStates: Readonly<Record<EventState, readonly EventState[]>> = {
  draft: ['armed'],
  armed: ['live', 'closed'],
  live: ['closed'],
  closed: ['settled'],
  settled: [],
};

/** True when an event may go from one state straight to the other. Staying in a state is no transition. */
export function canEventGo(from: EventState, to: EventState): boolean {
  return nextStates[from].includes(to);
}

/** What of an event decides its phase. Times are store-clock milliseconds since the epoch. */
export interface EventTimes {
  readonly state: EventState;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
}

/** What an event is to a user who shakes: the words of the shake answer. */
export type EventPhase = 'not_started' | 'running' | 'over';

/**
 * The phase by state and clock. The clock decides between start and end, whether or not the state has already been moved
 * on: a gateway that learns of `live` a second late begins in time, and stops at `endsAtMs` (exclusive) on its own.
 */
export function eventPhaseAt(event: EventTimes, nowMs: number): EventPhase {
  if (event.state === 'draft') return 'not_started';
  if (event.state === 'closed' || event.state === 'settled') return 'over';
  if (nowMs >= event.endsAtMs) return 'over';
  return nowMs >= event.startsAtMs ? 'running' : 'not_started';
}

/** The state that the clock asks for: `live` from the start, `closed` from the end; else the state it is in. */
export function eventStateDue(event: EventTimes, nowMs: number): EventState {
  if (event.state !== 'armed' && event.state !== 'live') return event.state;
  const phase = eventPhaseAt(event, nowMs);
  if (phase === 'over') return 'closed';
  return phase === 'running' ? 'live' : event.state;
}

/** What decides when an event may be settled. */
export interface SettleTimes {
  /** When issuing ended: the end of the event, or the earlier instant at which it was closed. */
  readonly closedAtMs: number;
  readonly ticketTtlMs: number;
  readonly sharesEndAtMs: number;
  readonly graceMs: number;
}

/**
 * The first instant at which settling is allowed: the last ticket and all shares are past, plus grace for clocks and for
 * what was accepted at the last moment. The outstanding indexes must be clear besides.
 */
export function settlePossibleAtMs(event: SettleTimes): number {
  return Math.max(event.closedAtMs + event.ticketTtlMs, event.sharesEndAtMs) + event.graceMs;
}
