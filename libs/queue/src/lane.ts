import type { DefaultJobOptions } from 'bullmq';
import { keys } from '#libs/redis';

/** A BullMQ queue of its own; named by what it carries and a number. Everything of a lane lives under one hash tag. */
export type Lane = `${'open' | 'grab'}-${number}`;

export const openLane = (no: number): Lane => `open-${no}`;
export const grabLane = (no: number): Lane => `grab-${no}`;

/** What a lane's job carries: a micro-batch of one producer. */
export interface LaneJob<Item> {
  readonly v: 1;
  /** Producer that hears the outcomes; see `publishReply`. */
  readonly replyTo: string;
  readonly items: readonly Item[];
}

/** Every job of a lane has this name; BullMQ wants one. */
export const laneJobName = 'items';

/** Where BullMQ keeps a lane, for its `Queue`, `Worker` and keys. */
export const laneKeyPrefix = (lane: Lane): string => keys.lanePrefix(lane);

/** Entries of BullMQ's event stream, which nobody reads: its default of 10 000 would be kept for each lane. */
export const laneEventsMax = 100;

/** Retries of an unexpected error: with the backoff below, years. The library must never fail a job (invariant 9). */
const attemptsMax = 1_000_000_000;
const retryFirstMs = 200;
const retryMaxMs = 5000;

export const laneJobOptions: DefaultJobOptions = {
  attempts: attemptsMax,
  backoff: { type: 'lane' },
  removeOnFail: false,
  // Each attempt would add its stack to the job.
  stackTraceLimit: 1,
};

/** Delay before the next attempt: doubles from 200 ms to 5 s. */
export function retryDelayMs(attemptsMade: number): number {
  return Math.min(retryFirstMs * 2 ** Math.min(attemptsMade - 1, 16), retryMaxMs);
}
