import type { OpensResult } from '../driver/plans.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, type Figures, judged, type Part, RefusedError } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { median, rounded } from '../measure/statistics.ts';
import { type OpensRun, runOpens } from './opens-run.ts';
import type { OpensStage } from './opens-stage.ts';
import { openConnections, ratePerSecondAssumed } from './settings.ts';
import { overLimitShare, repeatShare } from './workload.ts';

const loadShare = 0.5;
/** A driver that sends later than this adds to what it measures: it has no core of its own. */
const lagP99MaxMs = 25;
/** Of Poisson arrivals over eight seconds. */
const rateTolerance = 0.04;
const p99Rule: BarRule = { name: 'open to credited, p99 at half the rate, ms', sense: 'at most', bar: 250 };

/** How long an open takes to its `credited` while the system has half of what it can take, from when it was due. */
export const latencyPart: Part<OpensStage> = {
  name: 'latency',
  bars: [p99Rule],
  measure: async (stage) => {
    const system = await stage.mainSystem();
    const creditedPerSecond = (stage.rate ?? ratePerSecondAssumed) * loadShare;
    const runs: OpensRun[] = [];
    for (let round = 0; round < stage.settings.latencyRounds; round++) {
      runs.push(
        await untilUndisturbed(stage, async () => {
          const run = await runOpens(stage.context, system, openLoop(stage, creditedPerSecond));
          assertKeptUp(run, creditedPerSecond);
          return run;
        }),
      );
    }
    const p99Ms = medianOf(runs, 'p99Ms');
    return {
      figures: { creditedPerSecond: Math.round(creditedPerSecond), ...latencyFigures(runs) },
      rows: [
        { name: 'open to credited, p50 at half the rate, ms', value: numberText(medianOf(runs, 'p50Ms')) },
        { name: p99Rule.name, value: numberText(p99Ms), bar: judged(p99Rule, rounded(p99Ms)) },
      ],
    };
  },
};

function openLoop(stage: OpensStage, creditedPerSecond: number) {
  const perSecond = creditedPerSecond / (1 - repeatShare - overLimitShare);
  const measureMs = stage.settings.latencySeconds * 1000;
  return { ...stage.closedLoop(), perSecondMax: perSecond, perSecond, measureMs, connections: openConnections };
}

function assertKeptUp({ result, creditedPerSecond }: OpensRun, meantPerSecond: number): void {
  if (result.lagP99Ms > lagP99MaxMs)
    throw new RefusedError(
      `opens were sent ${rounded(result.lagP99Ms)} ms late (p99): it is not the rate that was meant`,
    );
  if (Math.abs(creditedPerSecond / meantPerSecond - 1) <= rateTolerance) return;
  throw new RefusedError(`${Math.round(creditedPerSecond)} credited/s, ${Math.round(meantPerSecond)} were meant`);
}

function medianOf(
  runs: readonly OpensRun[],
  name: 'p50Ms' | 'p99Ms' | 'p999Ms' | 'maxMs' | 'lagP50Ms' | 'lagP99Ms',
): number {
  return median(runs.map(({ result }: { result: OpensResult }) => result[name]));
}

function latencyFigures(runs: readonly OpensRun[]): Figures {
  const names = ['p50Ms', 'p99Ms', 'p999Ms', 'maxMs', 'lagP50Ms', 'lagP99Ms'] as const;
  return {
    ...Object.fromEntries(names.map((name) => [name, rounded(medianOf(runs, name))])),
    p99MsOfRuns: runs.map(({ result }) => rounded(result.p99Ms)),
    opensPerCall: rounded(median(runs.map(({ calls }) => calls.itemsPerCall))),
    answersChecked: runs.reduce((sum, { checked }) => sum + checked, 0),
  };
}
