import type { EventRecord } from '#libs/database';
import { grabLane, type Lane, oldestOutstandingMs, openLane } from '#libs/queue';
import { type RedisClient, readStore, type Store } from '#libs/redis';
import { lastOpenMs, type Stocked, sharesEndMs } from './settle-time.ts';

export interface BusyLane {
  readonly state: 'busy';
  readonly lane: Lane;
  readonly oldestMs: number;
}

/** Of a store that was the same before and after the look. */
export interface QuietLanes {
  readonly state: 'quiet';
  /** Since when it has known all that was accepted, by its own clock. */
  readonly stampedAtMs: number;
  /** When the look was over, by its own clock. */
  readonly storeMs: number;
}

/** `store_changed`: Redis was emptied or replaced and nobody has dealt with it yet, or only now, so its lanes tell nothing. */
export type LanesState = BusyLane | QuietLanes | { readonly state: 'store_changed' };

/**
 * Whether a lane may still hold an accepted open or grab of the closed event. @throws the client's error while Redis is away.
 */
export async function lookAtLanes(cache: RedisClient, event: EventRecord, stocked: Stocked): Promise<LanesState> {
  const before = await readStore(cache);
  const busy = await findBusyLane(cache, event, stocked);
  if (busy !== undefined) return busy;
  const after = await readStore(cache);
  const { stampedAtMs, storeMs } = after;
  if (stampedAtMs === undefined || !isSameStamp(before, after)) return { state: 'store_changed' };
  return { state: 'quiet', stampedAtMs, storeMs };
}

/** A server that was emptied and stamped anew has the run id that it had. */
function isSameStamp(one: Store, other: Store): boolean {
  return one.stamp === other.stamp && one.stampedAtMs === other.stampedAtMs;
}

/**
 * Lanes are shared with other events, so a lane is quiet for this one when everything in it was accepted after the event's last
 * possible acceptance.
 */
async function findBusyLane(cache: RedisClient, event: EventRecord, stocked: Stocked): Promise<BusyLane | undefined> {
  const lastOpen = lastOpenMs(event, stocked);
  const lanes = [
    ...lanesOf(openLane, event.openLaneCount, lastOpen),
    ...lanesOf(grabLane, event.grabLaneCount, sharesEndMs(event)),
  ];
  for (const { lane, lastMs } of lanes) {
    const oldestMs = await oldestOutstandingMs(cache, lane);
    if (oldestMs !== undefined && oldestMs <= lastMs) return { state: 'busy', lane, oldestMs };
  }
  return undefined;
}

/** No `lastMs`: nothing of this kind is ever accepted for the event. */
function lanesOf(laneOf: (no: number) => Lane, count: number | undefined, lastMs: number | undefined) {
  if (count === undefined || lastMs === undefined) return [];
  return Array.from({ length: count }, (_, no) => ({ lane: laneOf(no), lastMs }));
}
