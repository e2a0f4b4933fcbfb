import { gatewaySignalsSchema } from '#libs/contracts';
import { backlogJobsMin, type GatewaySeen, type LaneSeen, type Observation } from '#libs/degradation';
import { readLaneBacklogs } from '#libs/queue';
import { type EventReader, type GatewaySample, isRedisAway, type RedisClient } from '#libs/redis';
import type { DatabaseProbe } from './database-probe.ts';
import type { GatewaySamples } from './gateway-samples.ts';
import { type LaneCounts, lanesOf } from './lanes.service.ts';

export interface TierObserverParts {
  readonly redis: RedisClient;
  readonly events: Pick<EventReader, 'read'>;
  readonly samples: GatewaySamples;
  readonly configured: LaneCounts;
  readonly probe: DatabaseProbe;
  /** Store milliseconds. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

/** Looks at everything that the signals are made of, once a second. */
export class TierObserver {
  constructor(private readonly parts: TierObserverParts) {}

  /** Never waits for the database, and for Redis no longer than its commands may take. */
  async observe(redisMs: number): Promise<Observation> {
    const { probe, nowMs, monotonicMs } = this.parts;
    probe.ask();
    const [lanes, gateways] = await Promise.all([known(this.lanes()), known(this.gateways())]);
    return { nowMs: monotonicMs(), storeMs: nowMs(), redisMs, database: probe.answer(), lanes, gateways };
  }

  private async lanes(): Promise<LaneSeen[]> {
    const { redis, events, configured } = this.parts;
    const lanes = lanesOf(configured, await events.read());
    const backlogs = await readLaneBacklogs(redis, lanes, backlogJobsMin);
    return backlogs.map((backlog) => ({ ...backlog, kind: backlog.lane.startsWith('open') ? 'open' : 'grab' }));
  }

  private async gateways(): Promise<GatewaySeen[]> {
    return (await this.parts.samples.list()).flatMap(gatewaySeen);
  }
}

/** A sample of another release may lack what is read here: then its gateway does not count. */
function gatewaySeen({ id, sample }: GatewaySample): GatewaySeen[] {
  const { success, data } = gatewaySignalsSchema.safeParse(sample);
  return success ? [{ id, ...data }] : [];
}

async function known<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!isRedisAway(error)) throw error;
    return undefined;
  }
}
