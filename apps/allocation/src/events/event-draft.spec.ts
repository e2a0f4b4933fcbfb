import { describe, expect, it } from 'vitest';
import { eventPlanSchema } from '#libs/contracts';
import { draftOf } from './event-draft.ts';

const plan = eventPlanSchema.parse({
  title: 'New Year',
  startsAt: '2026-02-16T12:00:00Z',
  endsAt: '2026-02-16T13:00:00+00:00',
  sponsors: [{ id: 'tea', name: 'Tea' }],
  waves: [
    {
      no: 0,
      startsAt: '2026-02-16T20:00:00+08:00',
      durationMs: 60_000,
      pools: [{ sponsorId: 'tea', packetCount: 10, budgetFen: 100, minFen: 1, maxFen: 50 }],
    },
  ],
});

describe('draftOf', () => {
  it('reads instants of any offset and lets shares end a day after the event unless told otherwise', () => {
    const draft = draftOf(plan, 2000);
    expect(draft.startsAtMs).toBe(Date.UTC(2026, 1, 16, 12));
    expect(draft.waves[0]!.startsAtMs).toBe(draft.startsAtMs);
    expect(draft.sharesEndAtMs).toBe(draft.endsAtMs + 86_400_000);
    expect(draft.graceMs).toBe(2000);
    expect(draftOf({ ...plan, sharesEndAt: plan.endsAt }, 0).sharesEndAtMs).toBe(draft.endsAtMs);
  });
});
