import type { Figures } from '../frame/suite.ts';
import { splitFigures } from '../measure/cpu-split.ts';
import { median, rounded } from '../measure/statistics.ts';
import type { OpensRun } from './opens-run.ts';

export const ratesOf = (runs: readonly OpensRun[]): number[] => runs.map(({ creditedPerSecond }) => creditedPerSecond);

/** The run whose rate is the median's, or next below it: whose CPU is told. */
export function middleRun(runs: readonly OpensRun[]): OpensRun {
  const sorted = [...runs].sort((a, b) => a.creditedPerSecond - b.creditedPerSecond);
  return sorted[(sorted.length - 1) >> 1]!;
}

/** What the runs of one kind came to. */
export function figuresOf(runs: readonly OpensRun[]): Figures {
  const middle = middleRun(runs);
  const { result, calls, cpu } = middle;
  return {
    creditedPerSecond: Math.round(median(ratesOf(runs))),
    creditedPerSecondOfRuns: ratesOf(runs).map(Math.round),
    answersChecked: runs.reduce((sum, { checked }) => sum + checked, 0),
    middleRun: {
      creditedBySecond: result.creditedBySecond,
      answers: result.answers,
      p50Ms: rounded(result.p50Ms),
      p99Ms: rounded(result.p99Ms),
      opensPerCall: rounded(calls.itemsPerCall),
      callMs: rounded((1000 * calls.seconds) / Math.max(calls.calls, 1)),
      callsRepeated: calls.repeats,
      cpu: splitFigures(cpu, middle.creditedPerSecond),
    },
  };
}
