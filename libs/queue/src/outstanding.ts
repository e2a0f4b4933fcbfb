import { keys, type RedisClient, runScript } from '#libs/redis';
import { dropOrphansScript } from './drop-orphans.lua.ts';
import type { Lane } from './lane.ts';

/**
 * The outstanding index of a lane: the jobs that were accepted and are not committed, by their oldest acceptance (store-clock ms). A
 * job is entered before it is queued and removed after its commit, so that a block is not reissued while an accepted open of it is on
 * its way (invariant 3).
 */

/** @throws the client's error: it may or may not be entered. */
export async function addOutstanding(
  client: RedisClient,
  lane: Lane,
  jobId: string,
  acceptedAtMs: number,
): Promise<void> {
  await client.zadd(keys.outstanding(lane), acceptedAtMs, jobId);
}

/** @returns how many of them were entered. @throws the client's error. */
export async function removeOutstanding(client: RedisClient, lane: Lane, jobIds: readonly string[]): Promise<number> {
  return jobIds.length === 0 ? 0 : await client.zrem(keys.outstanding(lane), ...jobIds);
}

/** Store-clock ms of the oldest acceptance on its way; `undefined` when none is. @throws the client's error. */
export async function oldestOutstandingMs(client: RedisClient, lane: Lane): Promise<number | undefined> {
  const [, score] = await client.zrange(keys.outstanding(lane), 0, '0', 'WITHSCORES');
  return score === undefined ? undefined : Number(score);
}

/** @throws the client's error. */
export async function countOutstanding(client: RedisClient, lane: Lane): Promise<number> {
  return await client.zcard(keys.outstanding(lane));
}

/** Entries looked at by one call of `dropOrphans` unless told: each costs a lookup while the server is held. */
const orphansDefaultMax = 1000;

export interface DropOrphans {
  /**
   * Entries older than this (store-clock ms) are looked at. It must lie so far back that the enqueue of their job has long succeeded or
   * failed: well over the producers' command timeout.
   */
  readonly acceptedBeforeMs: number;
  /** Most entries that one call looks at, oldest first. */
  readonly entriesMax?: number;
}

/**
 * Drops entries whose job does not exist: its enqueue failed, or its producer died between the two, or its consumer between commit
 * and removal.
 * @returns how many were dropped. @throws the client's error.
 */
export async function dropOrphans(client: RedisClient, lane: Lane, options: DropOrphans): Promise<number> {
  const { acceptedBeforeMs, entriesMax = orphansDefaultMax } = options;
  const dropped = await runScript(
    client,
    dropOrphansScript,
    [keys.outstanding(lane)],
    [acceptedBeforeMs, entriesMax, keys.job(lane, '')],
  );
  return Number(dropped);
}
