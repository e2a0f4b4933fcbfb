import { keys, type RedisClient, runScript } from '#libs/redis';
import { addOutstandingLua } from './add-outstanding.lua.ts';
import { dropOrphansScript } from './drop-orphans.lua.ts';
import type { Lane } from './lane.ts';
import { lookAtOutstandingScript } from './look-at-outstanding.lua.ts';

/**
 * The outstanding index of a lane: the jobs that were accepted and are not committed, by their oldest acceptance (store-clock ms). A
 * job is entered before it is queued and removed after its commit, so that a block is not reissued while an accepted open of it is on
 * its way (invariant 3). The entry is the acceptance: a job without one is not settled, whatever it carries, and an entry comes by its
 * deadline or never. So what the index says about an instant is final once the deadlines of that instant's acceptances are past.
 */

/**
 * @param deadlineMs store-clock ms from which on the store refuses it; without one it is entered whenever it arrives.
 * @returns whether it was entered. @throws the client's error: it may or may not be entered, before the deadline.
 */
export async function addOutstanding(
  client: RedisClient,
  lane: Lane,
  jobId: string,
  acceptedAtMs: number,
  deadlineMs?: number,
): Promise<boolean> {
  const key = keys.outstanding(lane);
  return (await client.eval(addOutstandingLua, 1, key, jobId, acceptedAtMs, deadlineMs ?? '')) === 1;
}

/** @returns how many of them were entered. @throws the client's error. */
export async function removeOutstanding(client: RedisClient, lane: Lane, jobIds: readonly string[]): Promise<number> {
  return jobIds.length === 0 ? 0 : await client.zrem(keys.outstanding(lane), ...jobIds);
}

/** Those of the jobs that are in the index. @throws the client's error. */
export async function findOutstanding(
  client: RedisClient,
  lane: Lane,
  jobIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (jobIds.length === 0) return new Set();
  const scores = await client.zmscore(keys.outstanding(lane), ...jobIds);
  return new Set(jobIds.filter((_, at) => scores[at] !== null));
}

/** Store-clock ms of the oldest acceptance on its way; `undefined` when none is. @throws the client's error. */
export async function oldestOutstandingMs(client: RedisClient, lane: Lane): Promise<number | undefined> {
  const [, score] = await client.zrange(keys.outstanding(lane), 0, '0', 'WITHSCORES');
  return score === undefined ? undefined : Number(score);
}

/** A lane's index at one instant of the store's own clock. */
export interface OutstandingLook {
  readonly nowMs: number;
  /** Oldest acceptance on its way; `undefined` when none is. */
  readonly oldestMs: number | undefined;
}

/** @throws the client's error. */
export async function lookAtOutstanding(client: RedisClient, lane: Lane): Promise<OutstandingLook> {
  const reply = await runScript(client, lookAtOutstandingScript, [keys.outstanding(lane)], []);
  const [nowMs, score] = reply as [nowMs: number, score?: string];
  return { nowMs, oldestMs: score === undefined ? undefined : Number(score) };
}

/** @throws the client's error. */
export async function countOutstanding(client: RedisClient, lane: Lane): Promise<number> {
  return await client.zcard(keys.outstanding(lane));
}

/** Entries looked at by one sweep unless told: each costs a lookup while the server is held. */
const orphansDefaultMax = 1000;

export interface OrphanSweep {
  /** Entries older than this (store-clock ms) are looked at: their jobs are queued and done, as a rule. */
  readonly acceptedBeforeMs: number;
  /**
   * An orphan is dropped by the first sweep that meets it again this much later (monotonic ms): longer than any item may take until it
   * is durable, so that whoever has no job by then was told nothing, or that nothing is known.
   */
  readonly confirmMs: number;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Most entries that one sweep looks at, oldest first. */
  readonly entriesMax?: number;
}

/**
 * Drops the entries of one lane whose job does not exist: its enqueue failed, or its producer died between the two. An entry carries the
 * time of its acceptance, which for an open that is sent again with its receipt lies far back, so age alone does not tell that its job is
 * not just being queued: only an orphan that was one for `confirmMs` is dropped. Should its job come after all, it is not settled.
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
