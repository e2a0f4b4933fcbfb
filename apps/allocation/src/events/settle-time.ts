import type { EventRecord } from '#libs/database';
import { lastAcceptanceMs, settlePossibleAtMs } from '#libs/domain';

export type SettleTimed = Pick<EventRecord, 'endsAtMs' | 'sharesEndAtMs' | 'closedAtMs' | 'ticketTtlMs' | 'graceMs'> & {
  readonly pools: readonly { readonly sharePortions: number; readonly blockLifeMs: number }[];
};

/** When the last share of the event ends; undefined when it has none: then nothing of it waits for `sharesEndAt`. */
export function sharesEndMs(event: SettleTimed): number | undefined {
  return event.pools.some(({ sharePortions }) => sharePortions > 0) ? event.sharesEndAtMs : undefined;
}

/**
 * The last instant at which a packet of a closed event can have been issued. One that was closed early: a gateway that did not
 * hear of it issues what it holds until the time of its blocks is up, and no block was stocked after the event was closed.
 */
export function lastIssueMs(event: SettleTimed, stockLeadMs: number): number {
  const { closedAtMs, endsAtMs } = event;
  if (closedAtMs === undefined || closedAtMs >= endsAtMs) return endsAtMs;
  const blockLifeMs = Math.max(...event.pools.map((pool) => pool.blockLifeMs));
  return Math.min(closedAtMs + stockLeadMs + blockLifeMs, endsAtMs);
}

/** The last instant at which an open of the event can have been accepted for the first time. */
export function lastOpenMs(event: SettleTimed, stockLeadMs: number): number {
  return lastAcceptanceMs(lastIssueMs(event, stockLeadMs), event.ticketTtlMs);
}

/** From when on the event may be settled, if its lanes are quiet by then. */
export function settleAtMs(event: SettleTimed, stockLeadMs: number): number {
  return settlePossibleAtMs({
    closedAtMs: lastIssueMs(event, stockLeadMs),
    ticketTtlMs: event.ticketTtlMs,
    graceMs: event.graceMs,
    sharesEndAtMs: sharesEndMs(event) ?? 0,
  });
}
