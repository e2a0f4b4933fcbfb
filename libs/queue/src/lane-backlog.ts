import { keys, type RedisClient } from '#libs/redis';
import type { Lane } from './lane.ts';

export interface LaneBacklog {
  readonly lane: Lane;
  /** Jobs accepted and not committed. */
  readonly jobs: number;
  /** Store-clock ms of the acceptance that has `olderJobs` older ones; undefined when there are not so many. */
  readonly behindSinceMs: number | undefined;
}

/**
 * How far each lane is behind, whatever its oldest entries are: a stuck job, or entries without a job that a killed producer left
 * behind, are not a backlog. @throws the client's error while Redis is away.
 */
export async function readLaneBacklogs(
  client: RedisClient,
  lanes: readonly Lane[],
  olderJobs: number,
): Promise<LaneBacklog[]> {
  return await Promise.all(lanes.map((lane) => readOne(client, lane, olderJobs)));
}

async function readOne(client: RedisClient, lane: Lane, olderJobs: number): Promise<LaneBacklog> {
  const key = keys.outstanding(lane);
  const [jobs, [, score]] = await Promise.all([
    client.zcard(key),
    client.zrange(key, olderJobs, String(olderJobs), 'WITHSCORES'),
  ]);
  return { lane, jobs, behindSinceMs: score === undefined ? undefined : Number(score) };
}
