import type { EventPlanInput } from '#libs/contracts';
import type { BenchSystem } from '../opens/bench-system.ts';
import { untilLive } from '../opens/opens-event.ts';
import { packetsPerSecond, shakeIntervalMs, sponsorCount } from './settings.ts';

const lastsMs = 1_200_000;
const meanFen = 100;

/** An event that releases packets evenly all the time; its id. */
export async function makeStormEvent(system: BenchSystem): Promise<string> {
  const nowMs = Date.now();
  const startsAt = new Date(nowMs).toISOString();
  const sponsors = Array.from({ length: sponsorCount }, (_, no) => ({ id: `sponsor-${no}`, name: `Sponsor ${no}` }));
  const packetCount = Math.round((packetsPerSecond / sponsorCount) * (lastsMs / 1000));
  const pool = {
    packetCount,
    budgetFen: packetCount * meanFen,
    minFen: 1,
    maxFen: 5 * meanFen,
    sharePortions: 3,
    shareBudgetFen: packetCount * 30,
    releaseCurve: 'even',
  } as const;
  const plan: EventPlanInput = {
    title: 'benchmark of a storm',
    startsAt,
    endsAt: new Date(nowMs + lastsMs).toISOString(),
    perUserMax: sponsorCount,
    ticketTtlMs: 120_000,
    shakeIntervalMs,
    sponsors,
    waves: [{ no: 0, startsAt, durationMs: lastsMs, pools: sponsors.map(({ id }) => ({ ...pool, sponsorId: id })) }],
  };
  const { id } = await system.ops.createEvent(plan);
  await system.ops.arm(id, 'benchmark');
  await untilLive(system, id);
  return id;
}
