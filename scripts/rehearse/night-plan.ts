import type { EventPlanInput } from '#libs/contracts';

/** The instants of a rehearsed night, milliseconds since the epoch. */
export interface NightTimes {
  readonly startMs: number;
  readonly endMs: number;
  readonly ticketTtlMs: number;
  readonly sharesEndMs: number;
}

export interface Night extends NightTimes {
  readonly plan: EventPlanInput;
}

/** Time until every gateway knows the event, and for sessions before the first shake. */
const leadMs = 5000;
const sponsors = [
  { id: 'tea', name: 'Jade Tea House' },
  { id: 'noodles', name: 'Long Life Noodles' },
  { id: 'bank', name: 'Harbour Bank' },
  { id: 'trains', name: 'Night Trains' },
] as const;

/** Where each wave lies in the time of shaking, its part of the packets, and its release curve. */
const waves = [
  { from: 0, to: 0.28, part: 0.4, curve: 'burst' },
  { from: 0.32, to: 0.62, part: 0.3, curve: 'even' },
  { from: 0.66, to: 1, part: 0.3, curve: 'front' },
] as const;

/** Amounts differ by sponsor: wide, narrow, all the same (and not to be shared), and a single fen at least. */
const purses = {
  tea: { averageFen: 188, minFen: 1, maxFen: 8888, sharePortions: 5, shareFen: 60 },
  noodles: { averageFen: 120, minFen: 100, maxFen: 150, sharePortions: 3, shareFen: 33 },
  bank: { averageFen: 88, minFen: 88, maxFen: 88, sharePortions: 0, shareFen: 0 },
  trains: { averageFen: 7, minFen: 1, maxFen: 500, sharePortions: 10, shareFen: 10 },
} as const;

/**
 * An event that goes through its whole life in `durationMs`: shakes for a good half, then tickets lapse, then the shares end,
 * and time is left to settle.
 */
export function planNight(options: { users: number; packets: number; durationMs: number; nowMs: number }): Night {
  const { users, packets, durationMs } = options;
  const startMs = options.nowMs + leadMs;
  const shakingMs = Math.round(durationMs * 0.55);
  const ticketTtlMs = Math.min(15_000, Math.max(3000, Math.round(durationMs * 0.1)));
  const endMs = startMs + shakingMs;
  const sharesEndMs = endMs + ticketTtlMs + Math.max(3000, Math.round(durationMs * 0.12));
  const times = { startMs, endMs, ticketTtlMs, sharesEndMs };
  const counts = divide(
    packets,
    waves.flatMap(({ part }) => sponsors.map(() => part / sponsors.length)),
  );
  const plan: EventPlanInput = {
    title: 'Rehearsal',
    startsAt: isoOf(startMs),
    endsAt: isoOf(endMs),
    perUserMax: 3,
    ticketTtlMs,
    staggerMs: Math.min(60_000, Math.round(shakingMs * 0.04)),
    shakeIntervalMs: Math.min(10_000, Math.max(500, Math.round(users / 2.5))),
    blockLifeMs: Math.min(10_000, Math.max(1000, Math.round(shakingMs * 0.08))),
    sharesEndAt: isoOf(sharesEndMs),
    sponsors: sponsors.map((sponsor) => ({ ...sponsor })),
    waves: waves.map(({ from, to, curve }, no) => ({
      no,
      startsAt: isoOf(startMs + Math.round(shakingMs * from)),
      durationMs: Math.round(shakingMs * to) - Math.round(shakingMs * from),
      pools: sponsors.map(({ id }, index) => poolOf(id, counts[no * sponsors.length + index] ?? 1, curve)),
    })),
    reason: 'rehearsal',
  };
  return { ...times, plan };
}

type PoolInput = EventPlanInput['waves'][number]['pools'][number];

function poolOf(
  sponsorId: keyof typeof purses,
  packetCount: number,
  releaseCurve: 'burst' | 'even' | 'front',
): PoolInput {
  const { averageFen, minFen, maxFen, sharePortions, shareFen } = purses[sponsorId];
  return {
    sponsorId,
    packetCount,
    budgetFen: packetCount * averageFen,
    minFen,
    maxFen,
    sharePortions,
    shareBudgetFen: packetCount * shareFen,
    releaseCurve,
  };
}

/** Whole parts of `total` by weight, that sum to it exactly, each at least 1. */
function divide(total: number, weights: readonly number[]): number[] {
  let sum = 0;
  let given = 0;
  return weights.map((weight, index) => {
    sum += weight;
    const upTo = index === weights.length - 1 ? total : Math.round(total * sum);
    const part = Math.max(1, upTo - given);
    given += part;
    return part;
  });
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
