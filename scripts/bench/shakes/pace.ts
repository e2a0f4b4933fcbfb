import { setTimeout as delay } from 'node:timers/promises';
import { type CrowdPlan, type CrowdResult, crowdPeriodMs } from '../driver/plans.ts';
import { type DriverRun, runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, judged, type Part, type PartReport, RefusedError } from '../frame/suite.ts';
import { cpuMicrosOf } from '../measure/process-usage.ts';
import { median, rounded } from '../measure/statistics.ts';
import { readPaceGauges } from '../night/outcomes.ts';
import type { Server } from './closed-loop.ts';
import { loadShares, relaxedAfterMs, settledAfterMs } from './pace-figures.ts';
import { eventIds, hitShare, openConnections } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

/** What the crowd would shake if nobody held it back, over the capacity. */
const overload = 3;
/** Then so many leave that the rest is below the capacity. */
const thinLoad = 0.5;
/** Users who won all they may are told no next shake; more than so many of them would be something else. */
const outShareMax = 0.001;
const awaitedMaxMs = 30_000;
const awaitedPollMs = 500;
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
    await untilNobodyIsAwaited(gateway);
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
    const { result, watched } = await place.stocker.stocking(events, () => crowd(stage, gateway, plan));
    if (result.failed > 0) throw new RefusedError(`${result.failed} shakes of the crowd got no answer`);
    if (result.out > users * outShareMax)
      throw new RefusedError(`${result.out} users of the crowd were told no next shake`);
    return reportOf(result, plan, capacity, watched);
  },
};

/** The users of the measurements before are not part of this crowd: the gateway awaits them for some seconds. */
async function untilNobodyIsAwaited({ metricsUrls = [] }: Server): Promise<void> {
  const givenUpAtMs = performance.now() + awaitedMaxMs;
  while ((await readPaceGauges(metricsUrls[0]!)).activeUsers > 0) {
    if (performance.now() > givenUpAtMs) throw new RefusedError('the gateway still awaits users who are long gone');
    await delay(awaitedPollMs);
  }
}

/** What the gateway was seen to do meanwhile, period by period. */
interface Watched {
  readonly coreShares: number[];
  readonly utilisation: number[];
}

/** Runs the crowd, and looks each period at what the gateway has of its core, and what it says of its event loop. */
async function crowd(
  { place }: ShakesStage,
  { pids, metricsUrls = [] }: Server,
  plan: CrowdPlan,
): Promise<{ result: CrowdResult; watched: Watched }> {
  const watched: Watched = { coreShares: [], utilisation: [] };
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    let before = { micros: await cpuMicrosOf(pids), atMs: performance.now() };
    while (!ending.signal.aborted) {
      await delay(crowdPeriodMs);
      const now = { micros: await cpuMicrosOf(pids), atMs: performance.now() };
      watched.utilisation.push((await readPaceGauges(metricsUrls[0]!)).utilisation);
      watched.coreShares.push((now.micros - before.micros) / 1000 / (now.atMs - before.atMs));
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
    return { result: await place.stocker.shaken(() => runDriver(load)), watched };
  } finally {
    ending.abort();
    await watching;
  }
}

function reportOf(result: CrowdResult, plan: CrowdPlan, capacity: number, watched: Watched): PartReport {
  const fullPeriods = plan.fullMs / crowdPeriodMs;
  const full = result.periods.slice(0, fullPeriods);
  const shares = loadShares(full, capacity);
  const utilisation = watched.utilisation.slice(0, fullPeriods);
  const settledMs = settledAfterMs(utilisation);
  const relaxedMs = relaxedAfterMs(result.periods.slice(fullPeriods), plan.intervalMs);
  const secondsOf = (ms: number | undefined): number | null => (ms === undefined ? null : rounded(ms / 1000));
  const steady = median(utilisation.slice(fullPeriods >> 1));
  const longestTurn = rounded(result.longestTurnMs / 1000);
  return {
    figures: {
      users: plan.users,
      shakeIntervalMs: plan.intervalMs,
      capacity: Math.round(capacity),
      steadyUtilisation: rounded(steady),
      steadyShareOfRate: rounded(median(shares.slice(shares.length >> 1))),
      steadyCoreShare: rounded(median(watched.coreShares.slice(fullPeriods >> 1, fullPeriods))),
      settledAfterSeconds: secondsOf(settledMs),
      longestTurnSeconds: longestTurn,
      longestWaitToldMs: result.longestWaitToldMs,
      relaxedAfterSeconds: secondsOf(relaxedMs),
      closed: result.closed,
      utilisationByPeriod: utilisation.map(rounded),
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
