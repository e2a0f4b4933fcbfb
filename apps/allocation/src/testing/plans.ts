import type { EventPlanInput, PoolPlanInput } from '#libs/contracts';

export interface PlanOptions {
  /** When the event begins, from now; negative: it has begun. */
  readonly startsInMs?: number;
  readonly lastsMs?: number;
  readonly sharesLastMs?: number;
  readonly sponsors?: number;
  readonly event?: Partial<EventPlanInput>;
  readonly pool?: Partial<PoolPlanInput>;
}

/** An event of one wave over all of its time, one pool of 64 packets per sponsor, all of them released at once. */
export function planOf({
  startsInMs = -100,
  lastsMs = 4000,
  sharesLastMs = 0,
  sponsors = 3,
  event,
  pool,
}: PlanOptions = {}): EventPlanInput {
  const startsAtMs = Date.now() + startsInMs;
  const endsAtMs = startsAtMs + lastsMs;
  const iso = (ms: number) => new Date(ms).toISOString();
  const sponsorIds = Array.from({ length: sponsors }, (_, no) => `sponsor-${no}`);
  return {
    title: 'Test event',
    startsAt: iso(startsAtMs),
    endsAt: iso(endsAtMs),
    sharesEndAt: iso(endsAtMs + sharesLastMs),
    perUserMax: 3,
    ticketTtlMs: 1000,
    blockLifeMs: 1000,
    sponsors: sponsorIds.map((id) => ({ id, name: `The ${id}` })),
    waves: [
      {
        no: 0,
        startsAt: iso(startsAtMs),
        durationMs: lastsMs,
        pools: sponsorIds.map((id) => ({ ...poolOf(id), ...pool })),
      },
    ],
    ...event,
  };
}

function poolOf(sponsorId: string): PoolPlanInput {
  return {
    sponsorId,
    packetCount: 64,
    budgetFen: 6400,
    minFen: 1,
    maxFen: 500,
    sharePortions: 0,
    shareBudgetFen: 0,
    releaseCurve: [
      [0, 0],
      [0, 1],
      [1, 1],
    ],
  };
}
