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

/** Entries looked at by one sweep unless told: each costs a lookup while the server is held. */
const orphansDefaultMax = 1000;

export interface OrphanSweep {
  /** Entries older than this (store-clock ms) are looked at: their jobs were queued and done long ago, as a rule. */
  readonly acceptedBeforeMs: number;
  /** An orphan is dropped by the first sweep that meets it again this much later (monotonic ms). */
  readonly confirmMs: number;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Most entries that one sweep looks at, oldest first. */
  readonly entriesMax?: number;
}

/**
 * Drops the entries of one lane whose job does not exist: its enqueue failed, or its producer died between the two, or its consumer
 * between commit and removal. An entry carries the time of its acceptance, which for an open that is sent again with its receipt lies far
 * back, so age alone does not tell that its job is not just being queued: only an orphan that was one for `confirmMs` is dropped.
 */
export class OrphanSweeper {
  private seen = new Map<string, number>();

  constructor(
    private readonly client: RedisClient,
    private readonly lane: Lane,
  ) {}

  /** @returns how many were dropped. @throws the client's error. */
  async sweep({ acceptedBeforeMs, confirmMs, nowMs, entriesMax = orphansDefaultMax }: OrphanSweep): Promise<number> {
    const confirmed = [...this.seen].filter(([, sinceMs]) => nowMs - sinceMs >= confirmMs).map(([id]) => id);
    const { client, lane } = this;
    const args = [acceptedBeforeMs, entriesMax, keys.job(lane, ''), ...confirmed];
    const [dropped, ...orphans] = (await runScript(
      client,
      dropOrphansScript,
      [keys.outstanding(lane)],
      args,
    )) as unknown[];
    this.seen = new Map(orphans.map((id) => [String(id), this.seen.get(String(id)) ?? nowMs]));
    return Number(dropped);
  }
}
