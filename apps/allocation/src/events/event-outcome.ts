import type { EventRecord } from '#libs/database';

/** What became of a command on an event. All of them are idempotent: given again they answer the same. */
export type EventOutcome =
  | { readonly outcome: 'done'; readonly event: EventRecord }
  | { readonly outcome: 'event_unknown' }
  | { readonly outcome: 'state_conflict'; readonly detail: string }
  | { readonly outcome: 'too_early'; readonly possibleAtMs: number; readonly detail: string }
  /** Nothing can be decided: Redis is away or another one, and with it the clock and the lanes. */
  | { readonly outcome: 'store_away' };

export function conflict(event: Pick<EventRecord, 'id' | 'state'>, act: string, why?: string): EventOutcome {
  const detail = `event ${event.id} is ${event.state} and cannot be ${act}`;
  return { outcome: 'state_conflict', detail: why === undefined ? detail : `${detail}: ${why}` };
}
