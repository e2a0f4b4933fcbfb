import type { EventPlanInput } from '#libs/contracts';
import type { BenchSystem } from './bench-system.ts';
import { untilLive } from './opens-event.ts';

const lastsMs = 1_200_000;
const sponsors = [0, 1, 2].map((no) => ({ id: `sponsor-${no}`, name: `Sponsor ${no}` }));
/** Winners per second of each sponsor. */
const packetsPerSecond = 20;
const meanFen = 100;

/** An event that releases packets evenly all the time, with the usual lives of blocks; its id. */
export async function makeSteadyEvent(system: BenchSystem): Promise<string> {
  const nowMs = Date.now();
  const startsAt = new Date(nowMs).toISOString();
  const packetCount = (packetsPerSecond * lastsMs) / 1000;
  const plan: EventPlanInput = {
    title: 'benchmark of a store that is lost',
    startsAt,
    endsAt: new Date(nowMs + lastsMs).toISOString(),
    perUserMax: sponsors.length,
    ticketTtlMs: 60_000,
    shakeIntervalMs: 1000,
    sponsors,
    waves: [
      {
        no: 0,
        startsAt,
        durationMs: lastsMs,
        pools: sponsors.map(({ id }) => ({
          sponsorId: id,
          packetCount,
          budgetFen: packetCount * meanFen,
          minFen: 1,
          maxFen: 5 * meanFen,
          sharePortions: 3,
          shareBudgetFen: packetCount * 30,
          releaseCurve: 'even',
        })),
      },
    ],
  };
  const { id } = await system.ops.createEvent(plan);
  await system.ops.arm(id, 'benchmark');
  await untilLive(system, id);
  return id;
}
