import { QueueKeys } from 'bullmq';
import type { RedisClient } from '#libs/redis';
import { type Lane, laneKeyPrefix } from './lane.ts';
import { countOutstanding, oldestOutstandingMs } from './outstanding.ts';

export interface LaneStats {
  readonly lane: Lane;
  /** Jobs, not items: a job is a micro-batch. */
  readonly waiting: number;
  readonly active: number;
  /** Waiting for their next attempt after an unexpected error. */
  readonly delayed: number;
  /** Always 0 unless the library failed a job, which it must not (invariant 9). */
  readonly failed: number;
  /** Jobs accepted and not committed. */
  readonly outstanding: number;
  /** Store-clock ms of the oldest acceptance among them: the lane's lag is the store time minus it. */
  readonly oldestOutstandingMs: number | undefined;
}

/** Figures of each lane, one round trip. @throws the client's error while Redis is away. */
export async function readLaneStats(client: RedisClient, lanes: readonly Lane[]): Promise<LaneStats[]> {
  return await Promise.all(lanes.map((lane) => readOne(client, lane)));
}

async function readOne(client: RedisClient, lane: Lane): Promise<LaneStats> {
  const queue = new QueueKeys(laneKeyPrefix(lane)).getKeys(lane);
  const [waiting, active, delayed, failed, outstanding, oldestMs] = await Promise.all([
    client.llen(queue['wait']!),
    client.llen(queue['active']!),
    client.zcard(queue['delayed']!),
    client.zcard(queue['failed']!),
    countOutstanding(client, lane),
    oldestOutstandingMs(client, lane),
  ]);
  return { lane, waiting, active, delayed, failed, outstanding, oldestOutstandingMs: oldestMs };
}
