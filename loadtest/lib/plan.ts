import type { EventPlanInput } from '#libs/contracts';

export interface Times {
  readonly startMs: number;
  readonly endMs: number;
  readonly sharesEndMs: number;
}

export interface PlanOptions {
  readonly title: string;
  readonly packets: number;
  /** From now to the first shake: time for every phone to get its session. */
  readonly leadMs: number;
  readonly shakingMs: number;
  readonly staggerMs: number;
  readonly shakeIntervalMs: number;
  readonly ticketTtlMs: number;
  readonly releaseCurve: 'even' | 'front' | 'burst';
}

const sponsors = [
  { id: 'tea', name: 'Jade Tea House' },
  { id: 'noodles', name: 'Long Life Noodles' },
  { id: 'trains', name: 'Night Trains' },
];
/** After the last ticket has lapsed; friends have this long to grab what was shared last. */
const sharesAfterMs = 5000;

/** One wave of three sponsors whose packets can be shared. */
export function planEvent(options: PlanOptions): Times & { readonly plan: EventPlanInput } {
  const startMs = Date.now() + options.leadMs;
  const endMs = startMs + options.shakingMs;
  const sharesEndMs = endMs + options.ticketTtlMs + sharesAfterMs;
  const packetCount = Math.ceil(options.packets / sponsors.length);
  const plan: EventPlanInput = {
    title: options.title,
    startsAt: isoOf(startMs),
    endsAt: isoOf(endMs),
    perUserMax: sponsors.length,
    ticketTtlMs: options.ticketTtlMs,
    staggerMs: options.staggerMs,
    shakeIntervalMs: options.shakeIntervalMs,
    blockLifeMs: 3000,
    sharesEndAt: isoOf(sharesEndMs),
    sponsors,
    waves: [
      {
        no: 0,
        startsAt: isoOf(startMs),
        durationMs: options.shakingMs,
        pools: sponsors.map(({ id }) => ({
          sponsorId: id,
          packetCount,
          budgetFen: packetCount * 188,
          minFen: 1,
          maxFen: 8888,
          sharePortions: 4,
          shareBudgetFen: packetCount * 44,
          releaseCurve: options.releaseCurve,
        })),
      },
    ],
    reason: options.title,
  };
  return { startMs, endMs, sharesEndMs, plan };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
