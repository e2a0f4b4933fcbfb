import * as fc from 'fast-check';
import { findViolations } from '../../sql/find-violations.sql.ts';
import { moveEvent } from '../../sql/move-event.sql.ts';
import type { TestDatabase } from '../../testing.ts';
import { armDraft, draftOf, loadEvent, t0 } from '../event.ts';
import { goodHabits, type Habits, stock } from './actors.ts';
import { commandsOf, type Weights } from './commands.ts';
import { replay, work } from './lanes.ts';
import { Observer } from './observer.ts';
import { mismatch } from './order.ts';
import { keyOf, Reference } from './reference.ts';
import { checkSpent, close, settleAll } from './settling.ts';
import { Stage } from './stage.ts';
import type { Task } from './task.ts';
import { acceptMaxMs, World } from './world.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** `MODEL_RUNS`, read in vitest.config.ts. */
    modelRuns?: number;
  }
}

export interface ModelRun {
  readonly db: TestDatabase;
  readonly weights: Weights;
  readonly habits?: Habits;
  /** What came about, summed over the runs. */
  readonly seen?: Seen;
  /** Puts a defect into the operations' statements. */
  readonly altered?: (text: string) => string;
}

/** A property that never gets to what it is about proves nothing. */
export interface Seen {
  grants: number;
  /** Of packets that had come back. */
  grantsAgain: number;
  grabs: number;
  /** Operations that had to wait for another one's locks. */
  waits: number;
}

export const nothingSeen = (): Seen => ({ grants: 0, grantsAgain: 0, grabs: 0, waits: 0 });

function note(seen: Seen, { reference }: World, stage: Stage): void {
  const grants = [...reference.grants.values()];
  seen.grants += grants.length;
  seen.grantsAgain += grants.filter(({ epoch }) => epoch > 1).length;
  seen.grabs += [...reference.grabs.values()].flat().length;
  seen.waits += stage.waits;
}

/** Three sponsors with blocks of two packets, tickets that live for a second; two packets for a user. */
const draft = draftOf(
  3,
  {
    perUserMax: 2,
    ticketTtlMs: 1000,
    blockLifeMs: 1000,
    graceMs: 2 * acceptMaxMs,
    endsAtMs: t0 + 6000,
    sharesEndAtMs: t0 + 6000,
  },
  { sharePortions: 2 },
);

/** Of which less than half find something to do. */
const commandsMax = 120;
/** Later than any event can still keep something that was accepted. */
const settledByMs = 60_000;
/** Small: the connections of the operations, and those that look at them. */
const deadlockMs = 30;

/** A property: whatever happens in whatever order, the database is what the model says, and nothing that was promised is lost. */
export function modelProperty(run: ModelRun) {
  const { db, weights, habits = goodHabits, altered, seen = nothingSeen() } = run;
  const pool = db.openPool({ applicationName: 'model', serverSettings: { deadlock_timeout: deadlockMs } });
  return fc.asyncProperty(commandsOf(weights, commandsMax), async (commands) => {
    const eventId = await armDraft(db, draft);
    await moveEvent(db.pool, { eventId, from: 'armed', to: 'live', atMs: t0 });
    const world = new World(new Reference(await loadEvent(db, eventId)), () => stage.underWay.length > 0);
    const observer = new Observer(db.pool, world.reference);
    const stage = new Stage({ pool, observer: db.pool, onCommitted: observer.compare, ...(altered && { altered }) });
    try {
      for (const { sponsorNo } of world.reference.event.pools)
        await stage.run('stock', [], (task) =>
          stock(task, world, goodHabits, { sponsorNo, upToBlock: 1, countMax: 1 }),
        );
      await fc.asyncModelRun(() => ({ model: world, real: { stage, habits } }), commands);
      await finish(world, stage);
      const violations = await findViolations(db.pool, { eventId, limitPerRule: 5 });
      mismatch.unless([], violations, 'violations that the ledger audit finds');
      note(seen, world, stage);
    } finally {
      await stage.clear();
    }
  });
}

/** Everything goes on without faults: each promise is kept (invariant 4), and the event can be settled to the fen (invariant 8). */
async function finish(world: World, stage: Stage): Promise<void> {
  const { store, reference } = world;
  await stage.drain();
  while (store.waiting().length > 0) {
    const waiting = store.waiting();
    await alone(stage, 'work', (task) => work(task, world, waiting.slice(0, 8)));
  }
  for (const acceptance of world.acceptances)
    if (reference.letters.get(keyOf(acceptance.ticket)) === true)
      await alone(stage, 'replay', (task) => replay(task, world, acceptance));
  if (!reference.isSettling) await askForAll(world, stage);
  await alone(stage, 'close', (task) => close(task, world));
  world.nowMs += settledByMs;
  if (!store.isStamped) store.reset(store.runId);
  store.dropOrphans(world.nowMs - 2 * acceptMaxMs);
  await alone(stage, 'settle', (task) => settleAll(task, world, goodHabits));
  mismatch.unless('settled', reference.state, 'the event at the end');
  checkSpent(world);
}

/** Whoever has a receipt asks with it: also those whose jobs were lost with a store. */
async function askForAll(world: World, stage: Stage): Promise<void> {
  for (const acceptance of world.undecided()) {
    const job = world.jobOf({ ...acceptance, isPoison: false });
    await alone(stage, 'work', (task) => work(task, world, [job]));
  }
  const left = world.undecided().map(({ ticket }) => keyOf(ticket));
  mismatch.unless([], left, 'accepted opens without an outcome (invariant 4)');
}

/** Nobody is in its way. */
async function alone(stage: Stage, what: string, work: (task: Task) => Promise<void>): Promise<void> {
  const { error } = await stage.run(what, [], work);
  if (error !== undefined) throw error;
}
