import { type BesideRequest, type ShakesPeriod, shakesPeriodMs } from '../driver/plans.ts';
import { quantile, rounded } from '../measure/statistics.ts';
import type { OverloadRun } from './overload-run.ts';
import { type LoadName, patienceMs } from './settings.ts';

/** What became of one load; rates are per second of it. */
export interface StepFigures {
  readonly name: LoadName;
  /** Over the capacity; null: as fast as answers come. */
  readonly load: number | null;
  readonly seconds: number;
  /** Shakes that the driver meant to send, and those that it sent. */
  readonly meant: number;
  readonly offered: number;
  readonly decided: number;
  readonly rested: number;
  /**
   * Answers that came while their phones were still there, decided and rested, counted when they came. (Counted where their shakes were due, a
   * load has those too that were waiting at its end and are answered in the time of the next: 2 x had 7016 in four seconds that answered 5600.)
   */
  readonly inTime: number;
  readonly refused: number;
  readonly cutOff: number;
  readonly gaveUp: number;
  readonly connected: number;
  readonly shakeP50Ms: number;
  readonly shakeP99Ms: number;
  readonly lagP99Ms: number;
  readonly opens: RequestFigures;
  readonly reads: RequestFigures;
  /** Highest while the load lasted. */
  readonly tier: number;
  readonly level: number;
}

export interface RequestFigures {
  readonly count: number;
  /** Share of those that had their outcome in time and were never refused on the way. */
  readonly succeeded: number;
  /** Of all, those without an outcome counted as the longest; null: it is one of those. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** What became of each load of a run. */
export function stepFigures({ steps, shakes, beside, looks }: OverloadRun): StepFigures[] {
  return steps.map((step, no) => {
    const { fromMs, untilMs, p50Ms, p99Ms, lagP99Ms } = shakes.steps[no]!;
    const periods = shakes.periods.slice(Math.round(fromMs / shakesPeriodMs), Math.round(untilMs / shakesPeriodMs));
    const seconds = (untilMs - fromMs) / 1000;
    const rateOf = (what: (period: ShakesPeriod) => number): number =>
      Math.round(periods.reduce((sum, period) => sum + what(period), 0) / seconds);
    const isWithin = (atMs: number): boolean =>
      atMs >= shakes.startedAtMs + fromMs && atMs < shakes.startedAtMs + untilMs;
    const own = looks.filter(({ atMs }) => isWithin(atMs));
    return {
      name: step.name,
      load: 'load' in step.order ? step.order.load : null,
      seconds: rounded(seconds),
      meant: rateOf(({ sent, unsent }) => sent + unsent),
      offered: rateOf(({ sent }) => sent),
      decided: rateOf(({ decided }) => decided),
      rested: rateOf(({ rested }) => rested),
      inTime: rateOf(({ answers }) => answers),
      refused: rateOf(({ refused }) => refused),
      cutOff: rateOf(({ cutOff }) => cutOff),
      gaveUp: rateOf(({ gaveUp }) => gaveUp),
      connected: rateOf(({ connected }) => connected),
      shakeP50Ms: rounded(p50Ms),
      shakeP99Ms: rounded(p99Ms),
      lagP99Ms: rounded(lagP99Ms),
      opens: requestFigures(beside.opens.filter(({ dueAtMs }) => isWithin(dueAtMs))),
      reads: requestFigures(beside.reads.filter(({ dueAtMs }) => isWithin(dueAtMs))),
      tier: Math.max(0, ...own.map(({ tier }) => tier)),
      level: rounded(Math.max(0, ...own.map(({ level }) => level))),
    };
  });
}

function requestFigures(requests: readonly BesideRequest[]): RequestFigures {
  const took = Float64Array.from(requests, ({ tookMs = Number.POSITIVE_INFINITY }) => tookMs).sort();
  const succeeded = requests.filter(
    ({ tookMs, refusals }) => tookMs !== undefined && tookMs <= patienceMs && refusals === 0,
  );
  const at = (fraction: number): number | null => {
    const ms = took.length === 0 ? Number.POSITIVE_INFINITY : quantile(took, fraction);
    return Number.isFinite(ms) ? rounded(ms) : null;
  };
  return {
    count: requests.length,
    succeeded: requests.length === 0 ? 0 : Math.floor((1e5 * succeeded.length) / requests.length) / 1e5,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}

/** A look shows what the process wrote up to a second before. */
const sampleAgeMs = 1250;

/** From the jump to the peak until the process had stepped back; null: it never did, or had before the jump. */
export function reactionMs({ steps, shakes, looks }: OverloadRun): number | null {
  const jumpAtMs = shakes.startedAtMs + shakes.steps[steps.findIndex(({ name }) => name === 'triple')]!.fromMs;
  const since = looks.find(({ sinceMs, atMs }) => atMs > jumpAtMs + sampleAgeMs && sinceMs !== undefined)?.sinceMs;
  return since === undefined || since < jumpAtMs ? null : Math.round(since - jumpAtMs);
}

/** From the end of the peak until the tier was 0 for good; null: it was not by the end. */
export function backAfterSeconds({ steps, shakes, looks }: OverloadRun): number | null {
  const endAtMs = shakes.startedAtMs + shakes.steps[steps.findIndex(({ name }) => name === 'after')]!.fromMs;
  if (looks.at(-1)?.tier !== 0) return null;
  const lastBack = looks.findLastIndex(({ tier }) => tier > 0);
  const backAtMs = looks[lastBack + 1]?.atMs ?? endAtMs;
  return rounded(Math.max(0, backAtMs - endAtMs) / 1000);
}
