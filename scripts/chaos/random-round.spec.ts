import { describe, expect, it } from 'vitest';
import { planRandomRound } from './random-round.ts';
import { faultSchema, roundPlanSchema } from './round-plan.ts';
import { planSharpRound, sharpCases } from './sharp-cases.ts';

const rounds = Array.from({ length: 300 }, (_, round) => round);

/** Proves that a seed is all that a schedule rests on, and that every schedule can be written down and replayed. */
describe('the plans of rounds', () => {
  it('are the same for the same seed and number, and differ otherwise', () => {
    expect(planRandomRound(7, 3)).toEqual(planRandomRound(7, 3));
    expect(planRandomRound(7, 3).faults).not.toEqual(planRandomRound(7, 4).faults);
    expect(planRandomRound(7, 3).faults).not.toEqual(planRandomRound(8, 3).faults);
    for (const name of sharpCases) expect(planSharpRound(name, 7, 3)).toEqual(planSharpRound(name, 7, 3));
  });

  it('are read back as they were written', () => {
    const plans = rounds.flatMap((round) => [
      planRandomRound(1, round),
      ...sharpCases.map((name) => planSharpRound(name, 1, round)),
    ]);
    for (const plan of plans) expect(roundPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });

  it('have every kind of fault somewhere', () => {
    const kinds = new Set(rounds.flatMap((round) => planRandomRound(1, round).faults.map(({ kind }) => kind)));
    const known = faultSchema.options.map((option) => option.shape.kind.value);
    expect([...kinds].sort()).toEqual([...known].sort());
  });

  it('repeat 5 to 20 of 100 requests on purpose, and let tickets live 3 s at most', () => {
    for (const round of rounds) {
      const { crowd, event } = planRandomRound(1, round);
      expect(crowd.repeats).toBeGreaterThanOrEqual(0.05);
      expect(crowd.repeats).toBeLessThanOrEqual(0.2);
      expect(event.ticketTtlMs).toBeLessThanOrEqual(3000);
    }
  });
});
