import { setTimeout as delay } from 'node:timers/promises';
import { type HongbaoOps, HongbaoProblemError } from '#libs/client';
import type { EventPlanInput, Reconciliation } from '#libs/contracts';
import { insist, isPassingError } from '../rehearse/patience.ts';
import type { Entry } from './chaos-log.ts';
import type { Violation } from './checker/evidence.ts';
import { findViolations } from './checker/find-violations.ts';
import { askAgain, liveCrowd, type Population } from './crowd.ts';
import { Tasks } from './crowd-scene.ts';
import { runFaults } from './faults.ts';
import { awaitEmptyLanes, countFailedJobs } from './lane-faults.ts';
import { type Ledger, readLedger } from './ledger.ts';
import { Recorder } from './recorder.ts';
import { losesStore, type RoundPlan } from './round-plan.ts';
import type { ChaosSystem } from './system.ts';

export interface RoundResult {
  readonly plan: RoundPlan;
  readonly eventId: string;
  /** Start of the event, this machine's clock. */
  readonly startMs: number;
  readonly tookMs: number;
  readonly violations: readonly Violation[];
  readonly counts: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
  readonly entries: readonly Entry[];
  readonly ledger: Ledger;
}

/** From the creation of the event to its start. */
const leadMs = 800;
const knownMaxMs = 20_000;
const pauseMs = 50;
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
  const startedAt = performance.now();
  const tokens = await population.signIn(plan.crowd.users);
  const { eventId, startMs } = await openEvent(system, plan);
  const recorder = new Recorder(system.ring);
  const notes: string[] = [];
  const defects: string[] = [];
  const note = (line: string): void => void notes.push(`${String(Date.now() - startMs).padStart(6)} ${line}`);
  const giveUp = new AbortController();
  const { durationMs, sharesLastMs } = plan.event;
  const tasks = new Tasks();
  const endMs = startMs + durationMs;
  const times = { startMs, endMs, sharesEndMs: endMs + sharesLastMs };
  const { signal } = giveUp;
  const scene = { plan, eventId, ...times, gatewayUrls: system.gatewayUrls, recorder, tasks, signal };
  const count = (name: string, by?: number): void => recorder.count(name, by);

  const during = reportAt(system.ops, eventId, startMs + durationMs * 0.7);
  const living = liveCrowd(scene, tokens);
  await runFaults({ system, eventId, startMs, signal, note, count }, plan.faults);
  await system.heal();
  note('all is up');
  const patience = setTimeout(() => giveUp.abort(), Math.max(0, times.sharesEndMs - Date.now()) + patienceMs);
  const users = await living;
  note('every request has its outcome');
  await askAgain(users, askedAgain, scene);
  if (!(await awaitEmptyLanes(system.cache, patienceMs))) defects.push('the lanes do not become empty');
  const isSettled = await settle(system.ops, eventId);
  note(isSettled ? 'settled' : 'not settled');
  await askAgain(users, askedAfterSettle, scene);
  if (signal.aborted) defects.push(`after ${patienceMs} ms with all up there are still requests without an outcome`);
  clearTimeout(patience);
  await recorder.close();

  const ledger = await readLedger(system.pool, eventId);
  const after = { when: 'after settle', report: await insist(() => system.ops.reconciliation(eventId)) };
  const { entries, counts } = recorder;
  const violations = findViolations({
    entries,
    ledger,
    reports: [...(await during), after],
    isStoreLost: losesStore(plan),
    failedJobs: await countFailedJobs(system.cache),
    defects: [...defects, ...tasks.defects, ...system.surprises.splice(0)],
  });
  const tookMs = Math.round(performance.now() - startedAt);
  return { plan, eventId, startMs, tookMs, violations, counts, notes, entries, ledger };
}

/** Creates and arms the event; resolves when both gateways know it. */
async function openEvent(system: ChaosSystem, plan: RoundPlan): Promise<{ eventId: string; startMs: number }> {
  const startMs = Date.now() + leadMs;
  const { id: eventId } = await system.ops.createEvent(eventPlanOf(plan, startMs));
  await insist(() => system.ops.arm(eventId, reason));
  const deadline = performance.now() + knownMaxMs;
  for (const url of system.gatewayUrls) {
    while (!(await isKnownAt(`${url}/v1/events/${eventId}`))) {
      if (performance.now() > deadline) throw new Error(`${url} does not know event ${eventId}`);
      await delay(pauseMs);
    }
  }
  return { eventId, startMs };
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
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
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
