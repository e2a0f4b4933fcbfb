import type { EventPlanInput } from '#libs/contracts';
import type { BenchSystem } from './bench-system.ts';
import { untilLive } from './opens-event.ts';
import { usualPool } from './usual-pool.ts';

const lastsMs = 1_200_000;

export interface SteadyEvent {
  readonly title: string;
  readonly sponsorCount: number;
  /** Packets released by all sponsors together. */
  readonly packetsPerSecond: number;
  readonly ticketTtlMs: number;
  readonly shakeIntervalMs: number;
}

export const usualSteadyEvent: SteadyEvent = {
  title: 'benchmark of a store that is lost',
  sponsorCount: 3,
  packetsPerSecond: 60,
  ticketTtlMs: 60_000,
  shakeIntervalMs: 1000,
};

/** An event that releases packets evenly all the time, with the usual lives of blocks; its id. */
export async function makeSteadyEvent(system: BenchSystem, wanted: SteadyEvent): Promise<string> {
  const { title, sponsorCount, packetsPerSecond, ticketTtlMs, shakeIntervalMs } = wanted;
  const nowMs = Date.now();
  const startsAt = new Date(nowMs).toISOString();
  const sponsors = Array.from({ length: sponsorCount }, (_, no) => ({ id: `sponsor-${no}`, name: `Sponsor ${no}` }));
  const packetCount = Math.round((packetsPerSecond / sponsorCount) * (lastsMs / 1000));
  const pool = { ...usualPool(packetCount), releaseCurve: 'even' } as const;
  const plan: EventPlanInput = {
    title,
    startsAt,
    endsAt: new Date(nowMs + lastsMs).toISOString(),
    perUserMax: sponsorCount,
    ticketTtlMs,
    shakeIntervalMs,
    sponsors,
    waves: [{ no: 0, startsAt, durationMs: lastsMs, pools: sponsors.map(({ id }) => ({ ...pool, sponsorId: id })) }],
  };
  const { id } = await system.ops.createEvent(plan);
  await system.ops.arm(id, 'benchmark');
  await untilLive(system, id);
  return id;
}
