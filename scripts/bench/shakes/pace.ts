import { setTimeout as delay } from 'node:timers/promises';
import { type CrowdPlan, type CrowdResult, crowdPeriodMs } from '../driver/plans.ts';
import { type DriverRun, runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, type PartReport, RefusedError } from '../frame/suite.ts';
import { cpuMicrosOf } from '../measure/process-usage.ts';
import { median } from '../measure/statistics.ts';
import type { Server } from './closed-loop.ts';
import { loadShares, relaxedAfterMs, settledAfterMs } from './pace-figures.ts';
import { rounded } from './rounds.ts';
import { eventIds, hitShare, openConnections } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

/** What the crowd would shake if nobody held it back, over the capacity. */
const overload = 3;
/** Then so many leave that the rest is below the capacity. */
const thinLoad = 0.5;
const settleRule: BarRule = { name: 'three times the capacity: settled after, s', sense: 'at most', bar: 5 };
const turnRule: BarRule = { name: 'three times the capacity: longest wait for a turn, s', sense: 'at most', bar: 10 };

/** Well-behaved clients for three times the capacity, then for half of it: what `nextShakeMs` makes of them. */
export const pacePart: Part<ShakesStage> = {
  name: 'pace',
  bars: [settleRule, turnRule],
  measure: async (stage) => {
    const { place } = stage;
    const { users, paceFullSeconds, paceThinSeconds } = place.settings;
    const capacity = await stage.knownCapacity();
    const { gateway } = stage;
    const shakeIntervalMs = Math.round((users * 1000) / (overload * capacity));
    const events = await place.publish(eventIds.pace, capacity * hitShare, { shakeIntervalMs });
    const plan: CrowdPlan = {
      mode: 'crowd',
      port: gateway.port,
      connections: openConnections,
      eventId: events[0]!.id,
      tokensFile: place.tokensFile,
      users,
      intervalMs: shakeIntervalMs,
      fullMs: paceFullSeconds * 1000,
      thinShare: thinLoad / overload,
      thinMs: paceThinSeconds * 1000,
    };
    const { result, coreShares } = await place.stocker.stocking(events, () => crowd(stage, gateway, plan));
    if (result.failed > 0) throw new RefusedError(`${result.failed} shakes of the crowd got no answer`);
    if (result.out > 0) throw new RefusedError(`${result.out} users of the crowd were told no next shake`);
    return reportOf(result, plan, capacity, coreShares);
  },
};

/** Runs the crowd, and looks each period at what the gateway has of its core. */
async function crowd(
  { place }: ShakesStage,
  { pids }: Server,
  plan: CrowdPlan,
): Promise<{ result: CrowdResult; coreShares: number[] }> {
  const coreShares: number[] = [];
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    let before = { micros: await cpuMicrosOf(pids), atMs: performance.now() };
    while (!ending.signal.aborted) {
      await delay(crowdPeriodMs);
      const now = { micros: await cpuMicrosOf(pids), atMs: performance.now() };
      coreShares.push((now.micros - before.micros) / 1000 / (now.atMs - before.atMs));
      before = now;
    }
  };
  let watching: Promise<void> | undefined;
  const { driverCore: core } = place;
  const { signal } = place.context;
  const onStarted = (): void => {
    watching = watch();
  };
  try {
    const load: DriverRun<CrowdPlan> = { plan, core, logFile: place.logFile('driver'), signal, onStarted };
    return { result: await place.stocker.shaken(() => runDriver(load)), coreShares };
  } finally {
    ending.abort();
    await watching;
  }
}

function reportOf(result: CrowdResult, plan: CrowdPlan, capacity: number, coreShares: number[]): PartReport {
  const fullPeriods = plan.fullMs / crowdPeriodMs;
  const full = result.periods.slice(0, fullPeriods);
  const shares = loadShares(full, capacity);
  const settledMs = settledAfterMs(shares);
  const relaxedMs = relaxedAfterMs(result.periods.slice(fullPeriods), plan.intervalMs);
  const secondsOf = (ms: number | undefined): number | null => (ms === undefined ? null : rounded(ms / 1000));
  const steady = median(shares.slice(shares.length >> 1));
  const longestTurn = rounded(result.longestTurnMs / 1000);
  return {
    figures: {
      users: plan.users,
      shakeIntervalMs: plan.intervalMs,
      capacity: Math.round(capacity),
      steadyShare: rounded(steady),
      steadyCoreShare: rounded(median(coreShares.slice(fullPeriods >> 1, fullPeriods))),
      settledAfterSeconds: secondsOf(settledMs),
      longestTurnSeconds: longestTurn,
      longestWaitToldMs: result.longestWaitToldMs,
      relaxedAfterSeconds: secondsOf(relaxedMs),
      closed: result.closed,
      sharesBySecond: shares.filter((_, at) => at % 2 === 0).map(rounded),
      restsByPeriod: result.periods.map(({ rests }) => rests),
      meanWaitMsByPeriod: result.periods.map(({ meanWaitMs }) => meanWaitMs),
    },
    rows: [
      { name: 'three times the capacity: load in the end', value: numberText(steady), beside: '0.8 to 0.95' },
      {
        name: settleRule.name,
        value: settledMs === undefined ? 'never' : numberText(settledMs / 1000),
        bar: judged(settleRule, secondsOf(settledMs)),
      },
      { name: turnRule.name, value: numberText(longestTurn), bar: judged(turnRule, longestTurn) },
      {
        name: 'load falls to half the capacity: intervals are back after, s',
        value: relaxedMs === undefined ? 'never' : numberText(relaxedMs / 1000),
      },
    ],
  };
}
