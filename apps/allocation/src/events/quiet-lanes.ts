import type { EventRecord } from '#libs/database';
import { grabLane, type Lane, oldestOutstandingMs, openLane } from '#libs/queue';
import type { RedisClient } from '#libs/redis';
import { lastOpenMs, sharesEndMs } from './settle-time.ts';

export interface BusyLane {
  readonly lane: Lane;
  readonly oldestMs: number;
}

/**
 * A lane that may still hold an accepted open or grab of the closed event; undefined when none can. Lanes are shared with other
 * events, so a lane is quiet for this one when everything in it was accepted after the event's last possible acceptance.
 */
export async function findBusyLane(
  cache: RedisClient,
  event: EventRecord,
  stockLeadMs: number,
): Promise<BusyLane | undefined> {
  const lastOpen = lastOpenMs(event, stockLeadMs);
  const lanes = [
    ...lanesOf(openLane, event.openLaneCount, lastOpen),
    ...lanesOf(grabLane, event.grabLaneCount, sharesEndMs(event)),
  ];
  for (const { lane, lastMs } of lanes) {
    const oldestMs = await oldestOutstandingMs(cache, lane);
    if (oldestMs !== undefined && oldestMs <= lastMs) return { lane, oldestMs };
  }
  return undefined;
}

/** No `lastMs`: nothing of this kind is ever accepted for the event. */
function lanesOf(laneOf: (no: number) => Lane, count: number | undefined, lastMs: number | undefined) {
  if (count === undefined || lastMs === undefined) return [];
  return Array.from({ length: count }, (_, no) => ({ lane: laneOf(no), lastMs }));
}
