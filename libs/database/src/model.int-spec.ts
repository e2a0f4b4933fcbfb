/*
 * Model tests of the operations on blocks and money: sequences of steps of everybody who works on the database at the same time, with crash
 * points, against the real SQL on real connections, beside a reference model (testing/model). After each commit the database must be what
 * the model says; at the end every promise must be kept and every fen be accounted for. What is modelled, what is not, and which
 * defects this was seen to find: docs/reliability.md, "Model tests".
 *
 * MODEL_RUNS=2000 npx vitest run --project int libs/database/src/model.int-spec.ts    many runs of each, and the defects too
 *
 * A failure prints its seed, path and replay path; with them as `seed`, `path` and `replayPath` it is run again.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { isDataError } from './errors.ts';
import { goodHabits } from './testing/model/actors.ts';
import { type Defect, defects } from './testing/model/defects.ts';
import { Mismatch } from './testing/model/order.ts';
import { modelProperty, nothingSeen } from './testing/model/run.ts';
import { blockLife, lateOpens, settlement } from './testing/model/weights.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

/** Runs of each property in the ordinary test command: some seconds each. */
const runsDefault = 20;
const runs = inject('modelRuns') ?? runsDefault;
const isLong = runs > runsDefault;
/** Only to end what hangs: a run takes a fraction of a second. */
const timeoutMs = 60_000 + runs * 5_000;

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

const properties = [
  {
    title: 'blocks go through their life as the model says, whoever dies between whatever steps (invariants 2, 3, 10)',
    weights: blockLife,
    reached: ['grants', 'grantsAgain', 'waits'],
  },
  {
    title: 'no open that was accepted in time is lost to a reclaim, and none that comes too late is booked (3, 4, 7)',
    weights: lateOpens,
    reached: ['grants', 'grantsAgain', 'waits'],
  },
  {
    title: 'opens, grabs and the end of the event are booked once, with one outcome, to the fen (1, 5, 6, 7, 8, 9)',
    weights: settlement,
    reached: ['grants', 'grabs', 'waits'],
  },
] as const;

describe('whatever happens, in whatever order,', () => {
  it.each(properties.map((property) => [property.title, property] as const))(
    '%s',
    async (_, { weights, reached }) => {
      const seen = nothingSeen();
      // mostly once: few runs may happen to get nowhere
      do await fc.assert(modelProperty({ db, weights, seen }), { numRuns: runs, unbiased: true });
      while (reached.some((what) => seen[what] === 0));
      if (isLong) process.stderr.write(`${runs} runs: ${JSON.stringify(seen)}\n`);
      for (const what of reached) expect(seen[what], what).toBeGreaterThan(0);
    },
    timeoutMs,
  );
});

if (isLong)
  describe('the model finds', () => {
    it.each(defects.map((defect) => [defect.what, defect] as const))(
      '%s',
      async (what, defect) => {
        const { from, to, habits, weights } = defect;
        const sound = defect.in.startsWith('settle_') ? await changeFunction(defect) : undefined;
        const altered = (text: string) => (defect.in === 'statement' ? text.replace(from!, to!) : text);
        const property = modelProperty({ db, weights, altered, habits: { ...goodHabits, ...habits } });
        const found = await fc.check(property, { numRuns: runs, unbiased: true, endOnFailure: true });
        if (sound !== undefined) await db.pool.query(sound);
        process.stderr.write(`${what}: run ${found.numRuns}, ${String(found.errorInstance).slice(0, 200)}\n`);
        // a constraint may have been faster than the model
        expect(found.errorInstance instanceof Mismatch || isDataError(found.errorInstance)).toBe(true);
      },
      timeoutMs,
    );

    /** Gives the sound one. */
    async function changeFunction({ in: name, from, to }: Defect): Promise<string> {
      const { rows } = await db.pool.query<{ text: string }>('SELECT pg_get_functiondef($1::regproc) AS text', [name]);
      const { text } = rows[0]!;
      expect(text).toContain(from);
      await db.pool.query(text.replace(from!, to!));
      return text;
    }
  });
