import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventRequestSchema } from '#libs/contracts';
import { type EventDraft, findEventFaults } from '#libs/domain';
import { planNight } from './night-plan.ts';

const nowMs = Date.parse('2026-02-16T20:00:00Z');

function draftOf(plan: ReturnType<typeof createEventRequestSchema.parse>): EventDraft {
  return {
    ...plan,
    startsAtMs: Date.parse(plan.startsAt),
    endsAtMs: Date.parse(plan.endsAt),
    sharesEndAtMs: Date.parse(plan.sharesEndAt ?? plan.endsAt),
    graceMs: 2000,
    waves: plan.waves.map((wave) => ({ ...wave, startsAtMs: Date.parse(wave.startsAt) })),
  };
}

describe('the plan of the night', () => {
  it('can be met for any size, and has exactly the packets asked for', () => {
    const size = fc.record({
      users: fc.integer({ min: 50, max: 50_000 }),
      packets: fc.integer({ min: 100, max: 10_000_000 }),
      durationMs: fc.integer({ min: 20_000, max: 86_400_000 }),
    });
    fc.assert(
      fc.property(size, (options) => {
        const { plan } = planNight({ ...options, nowMs });
        expect(findEventFaults(draftOf(createEventRequestSchema.parse(plan)))).toEqual([]);
        const pools = plan.waves.flatMap((wave) => wave.pools);
        expect(pools.reduce((sum, { packetCount }) => sum + packetCount, 0)).toBe(options.packets);
      }),
    );
  });

  it('leaves time to settle within the minute it was given', () => {
    const { endMs, ticketTtlMs, sharesEndMs } = planNight({ users: 2000, packets: 5000, durationMs: 60_000, nowMs });
    expect(endMs + ticketTtlMs).toBeLessThan(sharesEndMs);
    expect(sharesEndMs - nowMs).toBeLessThan(55_000);
  });
});
