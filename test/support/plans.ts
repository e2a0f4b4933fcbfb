import type { EventPlanInput } from '#libs/contracts';

export interface PlanOptions {
  readonly packetsPerSponsor: number;
  readonly sponsors: number;
  readonly durationMs: number;
  readonly ticketTtlMs?: number;
  /** How long a block may be issued once it is stocked. */
  readonly blockLifeMs?: number;
  /** The one wave; absent: five seconds, or the event where that is shorter. */
  readonly waveMs?: number;
  readonly perUserMax?: number;
  readonly sharePortions?: number;
  /** Shares end this long after the event. */
  readonly sharesLastMs?: number;
}

/** A small event that starts now: one wave, one pool per sponsor, amounts between 1 fen and twice the mean of 100 fen. */
export function smallPlan(options: PlanOptions): EventPlanInput {
  const now = Date.now();
  const iso = (ms: number): string => new Date(ms).toISOString();
  const sponsorIds = Array.from({ length: options.sponsors }, (_, no) => `sponsor-${no + 1}`);
  const portions = options.sharePortions ?? 0;
  return {
    title: 'Test night',
    startsAt: iso(now),
    endsAt: iso(now + options.durationMs),
    perUserMax: options.perUserMax ?? 3,
    ticketTtlMs: options.ticketTtlMs ?? 3000,
    staggerMs: 0,
    shakeIntervalMs: 100,
    blockLifeMs: options.blockLifeMs ?? 1000,
    sharesEndAt: iso(now + options.durationMs + (options.sharesLastMs ?? 0)),
    sponsors: sponsorIds.map((id) => ({ id, name: id.toUpperCase() })),
    waves: [
      {
        no: 0,
        startsAt: iso(now),
        durationMs: Math.min(options.durationMs, options.waveMs ?? 5000),
        pools: sponsorIds.map((sponsorId) => ({
          sponsorId,
          packetCount: options.packetsPerSponsor,
          budgetFen: options.packetsPerSponsor * 100,
          minFen: 1,
          maxFen: 200,
          sharePortions: portions,
          shareBudgetFen: portions * 10 * options.packetsPerSponsor,
          releaseCurve: 'burst' as const,
        })),
      },
    ],
  };
}

/** As `smallPlan`, but what it has comes out evenly over the whole event: there is something to win at any time. */
export function steadyPlan(options: PlanOptions): EventPlanInput {
  const plan = smallPlan(options);
  const even = plan.waves.map((wave) => ({
    ...wave,
    durationMs: options.durationMs,
    pools: wave.pools.map((pool) => ({ ...pool, releaseCurve: 'even' as const })),
  }));
  return { ...plan, waves: even };
}
