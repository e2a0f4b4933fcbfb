import type { EventSnapshot } from '#libs/contracts';
import type { ArrivalsPlan, ArrivalsResult } from '../driver/plans.ts';
import { type DriverRun, runDriver } from '../driver/run-driver.ts';
import { numberText } from '../frame/report.ts';
import { type BarRule, type Figures, judged, type Part, RefusedError } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { median, rotated, rounded } from '../measure/statistics.ts';
import { assertShares, readOutcomes, since } from '../night/outcomes.ts';
import { meantMix, type Server } from './closed-loop.ts';
import { openConnections } from './settings.ts';
import type { ShakesStage } from './shakes-stage.ts';

const loadShare = 0.5;
const warmUpMs = 1000;
/** A driver that sends later than this is the limit itself. */
const lagP99MaxMs = 2;
/** A driver that keeps the schedule gets as many answers as it says. */
const rateTolerance = 0.03;
const p99Rule: BarRule = { name: 'p99 at 50 % load, ms', sense: 'at most', bar: 10 };

/** How long a shake takes while the gateway has half of what it can take, counted from when it was meant to be sent. */
export const latencyPart: Part<ShakesStage> = {
  name: 'latency',
  bars: [p99Rule],
  measure: async (stage) => {
    const { settings, stocker } = stage.place;
    const perSecond = Math.round((await stage.knownCapacity()) * loadShare);
    const { gateway } = stage;
    const bare = await stage.bareServer();
    const all = await stage.mixEvents();
    // half the events have packets for half the shakes
    const events = all.slice(0, Math.round(all.length * loadShare));
    const runs = { gateway: [] as ArrivalsResult[], bare: [] as ArrivalsResult[] };
    for (let round = 0; round < settings.latencyRounds; round++) {
      for (const server of rotated([bare, gateway], round)) {
        const measured = () => untilUndisturbed(stage.place, () => measure(stage, server, events, perSecond));
        if (server === bare) runs.bare.push(await measured());
        else runs.gateway.push(await stocker.stocking(events, measured));
      }
    }
    const p99Ms = medianOf(runs.gateway, 'p99Ms');
    return {
      figures: { perSecond, gateway: figuresOf(runs.gateway), bare: figuresOf(runs.bare) },
      rows: [
        {
          name: 'p50 at 50 % load, ms',
          value: numberText(medianOf(runs.gateway, 'p50Ms')),
          beside: numberText(medianOf(runs.bare, 'p50Ms')),
        },
        {
          name: p99Rule.name,
          value: numberText(p99Ms),
          beside: numberText(medianOf(runs.bare, 'p99Ms')),
          bar: judged(p99Rule, rounded(p99Ms)),
        },
      ],
    };
  },
};

async function measure(
  { place }: ShakesStage,
  server: Server,
  events: readonly EventSnapshot[],
  perSecond: number,
): Promise<ArrivalsResult> {
  const load: DriverRun<ArrivalsPlan> = {
    plan: {
      mode: 'arrivals',
      port: server.port,
      connections: openConnections,
      eventIds: events.map(({ id }) => id),
      firstShake: place.nextShake,
      tokensFile: place.tokensFile,
      perSecond,
      warmUpMs,
      measureMs: place.settings.latencySeconds * 1000,
    },
    core: place.driverCore,
    logFile: place.logFile('driver'),
    signal: place.context.signal,
  };
  const { metricsUrls = [] } = server;
  const before = await readOutcomes(metricsUrls);
  const result = await place.stocker.shaken(() => runDriver(load));
  place.nextShake += result.sent;
  place.context.say(lineOf(server, result));
  assertKeptUp(server, perSecond, result);
  if (metricsUrls.length > 0) assertShares(server.name, since(before, await readOutcomes(metricsUrls)), meantMix);
  return result;
}

function lineOf({ name }: Server, { answeredPerSecond, p50Ms, p99Ms, lagP99Ms }: ArrivalsResult): string {
  const [p50, p99, lag] = [p50Ms, p99Ms, lagP99Ms].map(numberText);
  return `  ${name}: ${numberText(answeredPerSecond)}/s, p50 ${p50} ms, p99 ${p99} ms, sent late by ${lag} ms (p99)`;
}

function assertKeptUp({ name }: Server, perSecond: number, result: ArrivalsResult): void {
  const { failed, lagP99Ms, answeredPerSecond } = result;
  if (failed > 0) throw new RefusedError(`${name}: ${failed} requests failed`);
  if (lagP99Ms > lagP99MaxMs)
    throw new RefusedError(`${name}: the driver sends ${rounded(lagP99Ms)} ms late (p99): it is the limit itself`);
  if (Math.abs(answeredPerSecond / perSecond - 1) <= rateTolerance) return;
  throw new RefusedError(`${name}: ${Math.round(answeredPerSecond)} answers/s, ${perSecond} were asked for`);
}

function medianOf(runs: readonly ArrivalsResult[], name: keyof ArrivalsResult): number {
  return median(runs.map((run) => run[name]));
}

function figuresOf(runs: readonly ArrivalsResult[]): Figures {
  const names = ['p50Ms', 'p99Ms', 'p999Ms', 'maxMs', 'lagP50Ms', 'lagP99Ms', 'answeredPerSecond'] as const;
  return {
    ...Object.fromEntries(names.map((name) => [name, rounded(medianOf(runs, name))])),
    p99MsOfRuns: runs.map(({ p99Ms }) => rounded(p99Ms)),
  };
}
