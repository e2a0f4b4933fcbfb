import { describe, expect, it } from 'vitest';
import { EmptyRounds, isEmptyRound } from './empty-rounds.ts';
import { planRandomRound } from './random-round.ts';
import type { RoundResult } from './round.ts';
import { anotherFor } from './run-chaos.ts';
import { planSharpRound } from './sharp-cases.ts';

const result = (grants: number, violations: number): RoundResult =>
  ({ ledger: { grants: Array(grants) }, violations: Array(violations) }) as unknown as RoundResult;

/** Proves that a run in which little happened does not pass for one in which much held. */
describe('rounds in which nobody was granted anything', () => {
  it('are empty, unless something broke all the same', () => {
    expect([result(0, 0), result(1, 0), result(0, 1)].map(isEmptyRound)).toEqual([true, false, false]);
  });

  it.each([
    [200, 20],
    [19, 1],
    [1, 1],
  ])('of %i may be %i: more of them are a failure of the run', (rounds, most) => {
    const empty = new EmptyRounds(rounds);
    expect(empty.lines()).toEqual([]);
    for (let count = 1; count <= most; count += 1) expect(empty.add()).toBe(true);
    expect([empty.areTooMany, empty.lines().length]).toEqual([false, 1]);
    expect([empty.add(), empty.areTooMany]).toEqual([false, true]);
    expect(empty.lines().join()).toContain('proves too little');
  });

  it('are replaced by the next round of their case, and in a replay by themselves', () => {
    const plans = [0, 1].flatMap((round) => [planRandomRound(7, round), planSharpRound('many-lanes', 7, round)]);
    const options = { seed: 7, replay: undefined };
    plans.push(anotherFor(plans[0]!, plans, options));
    expect(plans.at(-1)).toEqual(planRandomRound(7, 2));
    expect(anotherFor(plans[2]!, plans, options)).toEqual(planRandomRound(7, 3));
    expect(anotherFor(plans[1]!, plans, options)).toEqual(planSharpRound('many-lanes', 7, 2));
    expect(anotherFor(plans[1]!, plans, { ...options, replay: 'plan.json' })).toBe(plans[1]);
  });
});
