import type { EventSnapshot, LaneView } from '#libs/contracts';
import { grabLane, type Lane, type LaneStats, openLane, readLaneStats } from '#libs/queue';
import type { EventReader, RedisClient } from '#libs/redis';

/** Lanes as configured here. */
export interface LaneCounts {
  readonly open: number;
  readonly grab: number;
}

/** The lanes that may hold work: those of the configuration, and of events that were armed under another one. */
export function lanesOf(configured: LaneCounts, events: readonly EventSnapshot[]): Lane[] {
  const opens = Math.max(configured.open, ...events.map((event) => event.openLaneCount));
  const grabs = Math.max(configured.grab, ...events.map((event) => event.grabLaneCount));
  return [
    ...Array.from({ length: opens }, (_, no) => openLane(no)),
    ...Array.from({ length: grabs }, (_, no) => grabLane(no)),
  ];
}

function laneView({ oldestOutstandingMs: oldestMs, ...stats }: LaneStats, nowMs: number): LaneView {
  const age = oldestMs === undefined ? {} : { oldestOutstandingMs: Math.max(0, Math.round(nowMs - oldestMs)) };
  return { ...stats, ...age };
}

/** Queue lag by lane. */
export class Lanes {
  constructor(
    private readonly parts: {
      readonly redis: RedisClient;
      readonly events: Pick<EventReader, 'read'>;
      readonly configured: LaneCounts;
      /** Store milliseconds: the times in the outstanding index are the store's. */
      readonly nowMs: () => number;
    },
  ) {}

  /** @throws the client's error while Redis is away. */
  async read(): Promise<LaneView[]> {
    const lanes = lanesOf(this.parts.configured, await this.parts.events.read());
    const stats = await readLaneStats(this.parts.redis, lanes);
    return stats.map((lane) => laneView(lane, this.parts.nowMs()));
  }
}
