import type { EventSnapshot } from '#libs/contracts';
import { numberText } from '../frame/report.ts';
import { RefusedError } from '../frame/suite.ts';
import { untilUndisturbed } from '../frame/undisturbed.ts';
import { cpuMicrosOf } from '../measure/process-usage.ts';
import {
  added,
  assertCounted,
  assertShares,
  type MeantShares,
  type Outcomes,
  readOutcomes,
  sharesOf,
  since,
} from '../night/outcomes.ts';
import { runWrk, type WrkFigures, type WrkRun } from '../wrk/run-wrk.ts';
import type { Place } from './place.ts';
import { connections, hitShare, hitShareTolerance } from './settings.ts';

const firstSeconds = 4;
const fullCoreShare = 0.88;

/** Somebody who answers shakes. */
export interface Server {
  readonly name: string;
  readonly port: number;
  /** Processes whose CPU time is his. */
  readonly pids: readonly number[];
  /** Undefined: he counts nothing. */
  readonly metricsUrls?: readonly string[];
}

export interface ClosedLoop {
  readonly server: Server;
  readonly events: readonly EventSnapshot[];
  readonly seconds: number;
  readonly tokensFile?: string;
  /** What the outcomes must have been. */
  readonly meant?: MeantShares;
}

export interface ClosedLoopRun {
  readonly requests: number;
  readonly perSecond: number;
  readonly cpuMicrosPerShake: number;
  /** Share of a core that the server's processes had: less than all of it, and something else was the limit. */
  readonly coreShare: number;
  readonly bytesPerAnswer: number;
  readonly outcomes: Outcomes;
}

/** So many shakes at a server that has just started: its code is compiled, its users' sessions become known. */
export async function firstRuns(
  place: Place,
  server: Server,
  events: readonly EventSnapshot[],
  shakesMin: number,
): Promise<void> {
  const load = { server, events, seconds: firstSeconds };
  for (let shakes = 0; shakes < shakesMin; )
    shakes += (await untilUndisturbed(place, () => closedLoop(place, load))).requests;
}

const mixWithin = (share: number): MeantShares => ({
  hit: { lowest: hitShare * (1 - share), highest: hitShare * (1 + share) },
  miss: { lowest: 0.95, highest: 1 },
});
/** Hits and misses as they were meant, in one run: stock comes by time, and in blocks. */
export const meantMix = mixWithin(hitShareTolerance.ofOneRun);
/** The same, in all runs of a part together. */
const meantMixOfAll = mixWithin(hitShareTolerance.ofAll);

/** wrk from the driver's core for so many seconds; what came of it is checked before it counts. */
export async function closedLoop(place: Place, options: ClosedLoop): Promise<ClosedLoopRun> {
  const { server, events, seconds, meant } = options;
  const { metricsUrls = [] } = server;
  const outcomesBefore = await readOutcomes(metricsUrls);
  const cpuBefore = await cpuMicrosOf(server.pids);
  const wrkRun: WrkRun = {
    wrk: place.wrk,
    core: place.driverCore,
    port: server.port,
    connections,
    seconds,
    tokensFile: options.tokensFile ?? place.tokensFile,
    eventIds: events.map(({ id }) => id),
    firstShake: place.nextShake,
    signal: place.context.signal,
  };
  const figures = await place.stocker.shaken(() => runWrk(wrkRun));
  place.nextShake += figures.requests;
  const cpuMicros = (await cpuMicrosOf(server.pids)) - cpuBefore;
  const outcomes = since(outcomesBefore, await readOutcomes(metricsUrls));
  const run: ClosedLoopRun = {
    requests: figures.requests,
    perSecond: (figures.requests * 1e6) / figures.micros,
    cpuMicrosPerShake: cpuMicros / figures.requests,
    coreShare: cpuMicros / figures.micros,
    bytesPerAnswer: figures.bytes / figures.requests,
    outcomes,
  };
  place.context.say(lineOf(server, run));
  assertAnswered(server, figures);
  if (metricsUrls.length > 0) assertCounted(server.name, outcomes, figures.requests, 2 * connections);
  if (meant !== undefined) assertShares(server.name, outcomes, meant);
  return run;
}

function lineOf({ name }: Server, { perSecond, cpuMicrosPerShake, coreShare, outcomes }: ClosedLoopRun): string {
  const shares = Object.entries(sharesOf(outcomes)).map(([result, share]) => `${result} ${numberText(100 * share)} %`);
  const figures = [
    `${numberText(perSecond)}/s`,
    `${numberText(cpuMicrosPerShake)} µs each`,
    `${numberText(100 * coreShare)} % of a core`,
    ...shares,
  ];
  return `  ${name}: ${figures.join(', ')}`;
}

/** A warm-up, then a run at full load; again when it was disturbed. */
export async function steadyRun(place: Place, options: Omit<ClosedLoop, 'seconds'>): Promise<ClosedLoopRun> {
  const { warmUpSeconds, stockWarmUpSeconds, measureSeconds } = place.settings;
  const { meant: _, ...anyhow } = options;
  return await untilUndisturbed(place, async () => {
    await closedLoop(place, { ...anyhow, seconds: place.stocker.isStocking ? stockWarmUpSeconds : warmUpSeconds });
    const run = await closedLoop(place, { ...options, seconds: measureSeconds });
    if (!place.context.isQuick) assertFullLoad(options.server, run);
    return run;
  });
}

/** @throws RefusedError when all runs together had another mix than was meant. */
export function assertMixOfAll(server: Server, runs: readonly ClosedLoopRun[]): void {
  assertShares(server.name, added(runs.map(({ outcomes }) => outcomes)), meantMixOfAll);
}

/** Less than a whole core, and something else was the limit: the driver, or others on this machine. */
function assertFullLoad({ name }: Server, { coreShare }: ClosedLoopRun): void {
  if (coreShare >= fullCoreShare) return;
  throw new RefusedError(
    `${name} had ${numberText(100 * coreShare)} % of its core: the machine is busy with other work`,
  );
}

function assertAnswered({ name }: Server, { requests, failed, refused }: WrkFigures): void {
  if (requests > 0 && failed === 0 && refused === 0) return;
  throw new RefusedError(`${name}: of ${requests} requests ${failed} failed and ${refused} were refused`);
}
