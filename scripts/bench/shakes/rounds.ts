import type { Figures } from '../frame/suite.ts';
import { median, rotated, rounded } from '../measure/statistics.ts';
import { added, sharesOf } from '../night/outcomes.ts';
import type { ClosedLoopRun } from './closed-loop.ts';

/** Measures everybody once a round, each round in another order, so that what drifts meets all alike. */
export async function inRounds<Name extends string>(
  rounds: number,
  contestants: Readonly<Record<Name, (round: number) => Promise<ClosedLoopRun>>>,
): Promise<Record<Name, ClosedLoopRun[]>> {
  const names = Object.keys(contestants) as Name[];
  const runs = Object.fromEntries(names.map((name) => [name, [] as ClosedLoopRun[]])) as Record<Name, ClosedLoopRun[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of rotated(names, round)) runs[name].push(await contestants[name](round));
  }
  return runs;
}

export const ratesOf = (runs: readonly ClosedLoopRun[]): number[] => runs.map(({ perSecond }) => perSecond);
export const costsOf = (runs: readonly ClosedLoopRun[]): number[] =>
  runs.map(({ cpuMicrosPerShake }) => cpuMicrosPerShake);

/** What the runs of one contestant came to. */
export function figuresOf(runs: readonly ClosedLoopRun[]): Figures {
  const outcomes = added(runs.map((run) => run.outcomes));
  return {
    perSecond: Math.round(median(ratesOf(runs))),
    perSecondOfRuns: ratesOf(runs).map(Math.round),
    cpuMicrosPerShake: rounded(median(costsOf(runs))),
    coreShare: rounded(median(runs.map(({ coreShare }) => coreShare))),
    bytesPerAnswer: rounded(median(runs.map(({ bytesPerAnswer }) => bytesPerAnswer))),
    ...(outcomes.size === 0 ? {} : { shares: sharesOf(outcomes) }),
  };
}
