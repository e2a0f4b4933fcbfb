import type { EventRecord } from '#libs/database';
import { lastAcceptanceMs, settlePossibleAtMs } from '#libs/domain';

export type SettleTimed = Pick<EventRecord, 'endsAtMs' | 'sharesEndAtMs' | 'closedAtMs' | 'ticketTtlMs' | 'graceMs'> & {
  readonly pools: readonly { readonly sharePortions: number; readonly blockLifeMs: number }[];
};

/** When the last share of the event ends; undefined when it has none: then nothing of it waits for `sharesEndAt`. */
export function sharesEndMs(event: SettleTimed): number | undefined {
  return event.pools.some(({ sharePortions }) => sharePortions > 0) ? event.sharesEndAtMs : undefined;
}

/** True when somebody ended it before its time; `closedAtMs` is when he asked for it. */
export function isClosedEarly({ closedAtMs, endsAtMs }: SettleTimed): boolean {
  return closedAtMs !== undefined && closedAtMs < endsAtMs;
}

/** What of an event was stocked. */
export interface Stocked {
  /** How far ahead of its wave. */
  readonly leadMs: number;
  /** Of all its blocks the latest; known for an event that was closed early, and has any. */
  readonly issueUntilMs: number | undefined;
}

/**
 * The last instant at which a packet of a closed event can have been issued. One that was closed early: a gateway that did not
 * hear of it issues what it holds until the time of its blocks is up. That is longer than a block's life after `closedAtMs` when it took
 * time to write the closing down, and more was stocked meanwhile.
 */
export function lastIssueMs(event: SettleTimed, { leadMs, issueUntilMs = 0 }: Stocked): number {
  const { closedAtMs, endsAtMs } = event;
  if (closedAtMs === undefined || !isClosedEarly(event)) return endsAtMs;
  const blockLifeMs = Math.max(...event.pools.map((pool) => pool.blockLifeMs));
  return Math.min(Math.max(closedAtMs + leadMs + blockLifeMs, issueUntilMs), endsAtMs);
}

/** The last instant at which an open of the event can have been accepted for the first time. */
export function lastOpenMs(event: SettleTimed, stocked: Stocked): number {
  return lastAcceptanceMs(lastIssueMs(event, stocked), event.ticketTtlMs);
}

/** From when on the event may be settled, if its lanes are quiet by then. */
export function settleAtMs(event: SettleTimed, stocked: Stocked): number {
  return settlePossibleAtMs({
    closedAtMs: lastIssueMs(event, stocked),
    ticketTtlMs: event.ticketTtlMs,
    graceMs: event.graceMs,
    sharesEndAtMs: sharesEndMs(event) ?? 0,
  });
}
