import { setTimeout as delay } from 'node:timers/promises';
import { type HongbaoOps, HongbaoProblemError } from '#libs/client';
import type { EventPlanInput, Reconciliation } from '#libs/contracts';
import { insist, isPassingError } from '../rehearse/patience.ts';
import type { Entry } from './chaos-log.ts';
import type { Violation } from './checker/evidence.ts';
import { findViolations } from './checker/find-violations.ts';
import { askAgain, askPutOff, liveCrowd, type Population } from './crowd.ts';
import { Tasks } from './crowd-scene.ts';
import { runFaults } from './faults.ts';
import { awaitEmptyLanes, countFailedJobs } from './lane-faults.ts';
import { type Ledger, readLedger } from './ledger.ts';
import { Recorder } from './recorder.ts';
import { losesStore, type RoundPlan, storeReplacedFromMs } from './round-plan.ts';
import { RunningTime } from './running-time.ts';
import type { ChaosSystem } from './system.ts';

export interface RoundResult {
  readonly plan: RoundPlan;
  readonly eventId: string;
  /** Start of the event, this machine's clock. */
  readonly startMs: number;
  /** Without `stillMs`. */
  readonly tookMs: number;
  /** How long this process stood still meanwhile. */
  readonly stillMs: number;
  readonly violations: readonly Violation[];
  readonly counts: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
  readonly entries: readonly Entry[];
  readonly ledger: Ledger;
}

/** From the creation of the event to its start; more when that was not enough. */
const leadMinMs = 800;
const leadMaxMs = 12_800;
/** Of its first moments: a gateway may hear of it so late. */
const lateMaxMs = 300;
const knownMaxMs = 20_000;
const pauseMs = 50;
const answersMeasured = 7;
/** People are impatient on purpose; on a machine on which everything takes long they would never hear an answer. */
const requestTimeoutMinMs = 1500;
const requestTimeoutMaxMs = 15_000;
const requestTimeoutPerAnswer = 30;
const lookMs = 200;
const stillLongMs = 5000;
/**
 * What has no outcome so long after the faults has none coming: a job is taken from a dead consumer after 9 s at most, an outstanding entry
 * without a job is dropped after 6 s, and a busy machine takes its time.
 */
const patienceMs = 90_000;
/** Parts of everything that was asked, asked once more before and after the event is settled. */
const askedAgain = 0.5;
const askedAfterSettle = 0.15;
const reason = 'chaos';

/** One round: an event, a crowd, faults; then everything is up, asked for, settled, and held against the books. */
export async function runRound(system: ChaosSystem, population: Population, plan: RoundPlan): Promise<RoundResult> {
  const patience = new Patience();
  try {
    return await playRound(system, population, plan, patience);
  } finally {
    patience.end();
  }
}

async function playRound(
  system: ChaosSystem,
  population: Population,
  plan: RoundPlan,
  patience: Patience,
): Promise<RoundResult> {
  const tokens = await population.signIn(plan.crowd.users);
  const { eventId, startMs, requestTimeoutMs } = await openEvent(system, plan);
  const recorder = new Recorder(system.ring);
  const notes: string[] = [];
  const defects: string[] = [];
  const note = (line: string): void => void notes.push(`${String(Date.now() - startMs).padStart(6)} ${line}`);
  const { durationMs, sharesLastMs } = plan.event;
  const tasks = new Tasks();
  const endMs = startMs + durationMs;
  const times = { startMs, endMs, sharesEndMs: endMs + sharesLastMs };
  const { signal } = patience;
  const { gatewayUrls } = system;
  const scene = { plan, eventId, ...times, gatewayUrls, requestTimeoutMs, recorder, tasks, signal };
  const count = (name: string, by?: number): void => recorder.count(name, by);

  const during = reportAt(system.ops, eventId, startMs + durationMs * 0.7);
  const living = liveCrowd(scene, tokens);
  await runFaults({ system, eventId, startMs, signal, note, count }, plan.faults);
  await system.heal();
  note('all is up');
  patience.begin(Math.max(0, times.sharesEndMs - Date.now()) + patienceMs);
  const users = await living;
  note('every request has its outcome');
  await askAgain(users, askedAgain, scene);
  if (!(await awaitEmptyLanes(system.cache, patienceMs))) defects.push('the lanes do not become empty');
  const isSettled = await settle(system.ops, eventId);
  const settledAtMs = isSettled ? Date.now() : undefined;
  note(isSettled ? 'settled' : 'not settled');
  if (isSettled) await askPutOff(users, scene);
  await askAgain(users, askedAfterSettle, scene);
  if (signal.aborted) defects.push(`after ${patienceMs} ms with all up there are still requests without an outcome`);
  await recorder.close();

  const ledger = await readLedger(system.pool, eventId);
  const after = { when: 'after settle', report: await insist(() => system.ops.reconciliation(eventId)) };
  const { entries, counts } = recorder;
  const replacedFromMs = storeReplacedFromMs(plan);
  const violations = findViolations({
    entries,
    ledger,
    reports: [...(await during), after],
    isStoreLost: losesStore(plan),
    storeReplacedFromMs: replacedFromMs === undefined ? undefined : startMs + replacedFromMs,
    settledAtMs,
    isMirrored: plan.faults.some(({ kind }) => kind === 'mirror'),
    failedJobs: await countFailedJobs(system.cache),
    defects: [...defects, ...tasks.defects, ...system.surprises.splice(0)],
  });
  const { tookMs, stillMs } = patience.end();
  return { plan, eventId, startMs, tookMs, stillMs, violations, counts, notes, entries, ledger };
}

/** Ends what nobody waits for any longer. Where this process, through which all links lead, stood still for long, it begins anew. */
class Patience {
  private readonly time = new RunningTime();
  private readonly giveUp = new AbortController();
  private maxMs = Number.POSITIVE_INFINITY;
  private sinceMs = 0;
  private stoodMs = 0;
  private readonly timer = setInterval(() => this.look(), lookMs).unref();

  get signal(): AbortSignal {
    return this.giveUp.signal;
  }

  begin(maxMs: number): void {
    this.maxMs = maxMs;
    this.sinceMs = this.time.elapsedMs;
  }

  end(): { tookMs: number; stillMs: number } {
    clearInterval(this.timer);
    const { elapsedMs, stillMs } = this.time;
    return { tookMs: Math.round(elapsedMs), stillMs: Math.round(stillMs) };
  }

  private look(): void {
    const { elapsedMs, stillMs } = this.time;
    // every connection has to be made anew then
    if (stillMs - this.stoodMs > stillLongMs) this.sinceMs = elapsedMs;
    this.stoodMs = stillMs;
    if (elapsedMs - this.sinceMs > this.maxMs) this.giveUp.abort();
  }
}

interface OpenEvent {
  readonly eventId: string;
  readonly startMs: number;
  readonly requestTimeoutMs: number;
}

/** An event that both gateways know when it starts: where the machine is slow just now, not the first one is. */
async function openEvent(system: ChaosSystem, plan: RoundPlan): Promise<OpenEvent> {
  for (let leadMs = leadMinMs; ; leadMs *= 2) {
    const startMs = Date.now() + leadMs;
    const { id: eventId } = await system.ops.createEvent(eventPlanOf(plan, startMs));
    if (await isArmed(system.ops, eventId)) await awaitKnown(system, eventId);
    const requestTimeoutMs = requestTimeoutOf(await answerMs(system, eventId));
    if (Date.now() < startMs + lateMaxMs) return { eventId, startMs, requestTimeoutMs };
    if (leadMs >= leadMaxMs) throw new Error(`event ${eventId} is not known ${leadMs} ms after it was made`);
    await insist(() => system.ops.close(eventId, 'chaos: it began too early'));
  }
}

/** False when its end is past already. */
async function isArmed(ops: HongbaoOps, eventId: string): Promise<boolean> {
  try {
    await insist(() => ops.arm(eventId, reason));
    return true;
  } catch (error) {
    if (error instanceof HongbaoProblemError && error.code === 'state_conflict') return false;
    throw error;
  }
}

/** Resolves when every gateway knows the event. */
async function awaitKnown(system: ChaosSystem, eventId: string): Promise<void> {
  const time = new RunningTime();
  for (const url of system.gatewayUrls) {
    while (!(await isKnownAt(`${url}/v1/events/${eventId}`))) {
      if (time.elapsedMs > knownMaxMs) throw new Error(`${url} does not know event ${eventId}`);
      await delay(pauseMs);
    }
  }
}

/** How long an answer to next to nothing takes just now: the median of some. */
async function answerMs(system: ChaosSystem, eventId: string): Promise<number> {
  const took: number[] = [];
  for (let ask = 0; ask < answersMeasured; ask++) {
    const startedAt = performance.now();
    await isKnownAt(`${system.gatewayUrls[ask % system.gatewayUrls.length]}/v1/events/${eventId}`);
    took.push(performance.now() - startedAt);
  }
  return took.sort((a, b) => a - b)[Math.floor(answersMeasured / 2)]!;
}

function requestTimeoutOf(oneAnswerMs: number): number {
  return Math.round(
    Math.min(Math.max(requestTimeoutMinMs, requestTimeoutPerAnswer * oneAnswerMs), requestTimeoutMaxMs),
  );
}

/** A connection that an earlier round cut may still be in the pool. */
async function isKnownAt(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

function eventPlanOf({ name, seed, round, event }: RoundPlan, startMs: number): EventPlanInput {
  const at = (afterMs: number): string => new Date(startMs + afterMs).toISOString();
  const sponsorIds = event.pools.map((_pool, no) => `sponsor-${no}`);
  return {
    title: `chaos ${name} ${seed}/${round}`,
    startsAt: at(0),
    endsAt: at(event.durationMs),
    perUserMax: event.perUserMax,
    ticketTtlMs: event.ticketTtlMs,
    staggerMs: 0,
    shakeIntervalMs: event.shakeIntervalMs,
    blockLifeMs: event.blockLifeMs,
    reissue: event.reissue,
    sharesEndAt: at(event.durationMs + event.sharesLastMs),
    sponsors: sponsorIds.map((id) => ({ id, name: id.toUpperCase() })),
    waves: [
      {
        no: 0,
        startsAt: at(0),
        durationMs: event.waveMs,
        pools: event.pools.map(({ packetCount, meanFen, sharePortions, releaseCurve }, no) => ({
          sponsorId: sponsorIds[no]!,
          packetCount,
          budgetFen: packetCount * meanFen,
          minFen: 1,
          maxFen: 2 * meanFen,
          sharePortions,
          shareBudgetFen: packetCount * sharePortions * 7,
          releaseCurve,
        })),
      },
    ],
  };
}

/** The proof in the middle of everything: it must hold at every instant (invariant 8). None when nobody answers. */
async function reportAt(
  ops: HongbaoOps,
  eventId: string,
  atMs: number,
): Promise<{ when: string; report: Reconciliation }[]> {
  await delay(Math.max(0, atMs - Date.now()));
  try {
    return [{ when: 'in the middle', report: await ops.reconciliation(eventId) }];
  } catch (error) {
    if (isPassingError(error)) return [];
    throw error;
  }
}

/** False when it cannot be had in time. */
async function settle(ops: HongbaoOps, eventId: string): Promise<boolean> {
  const time = new RunningTime();
  while (time.elapsedMs < patienceMs) {
    try {
      if ((await ops.settle(eventId, reason)).outcome === 'settled') return true;
    } catch (error) {
      const isConflict = error instanceof HongbaoProblemError && error.code === 'state_conflict';
      if (!isConflict && !isPassingError(error)) throw error;
    }
    await delay(pauseMs);
  }
  return false;
}
