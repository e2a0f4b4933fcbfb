// A ledger that was filled in bulk is one that the system itself could have written: same keys and indexes, and every audit passes.
import { afterEach, expect, it } from 'vitest';
import { auditAllWallets, auditEvent, onSnapshots } from '#libs/database';
import { createTestDatabase, type TestDatabase } from '../../../libs/database/src/testing.ts';
import { fillLedger } from './fill-ledger.ts';
import { userNameOf } from './workload.ts';

let db: TestDatabase | undefined;
afterEach(() => db?.drop());

async function definitionsOf({ pool }: TestDatabase): Promise<string[]> {
  const { rows } = await pool.query<{ text: string }>(
    `SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
     ORDER BY 1`,
  );
  return rows.map(({ text }) => text);
}

it.each(['settled', 'live'] as const)('of a %s event, with every packet where its id says', async (state) => {
  db = await createTestDatabase();
  const before = await definitionsOf(db);
  const { eventId, grants, users } = await fillLedger({ databaseUrl: db.url, grants: 100_000, state });
  expect(await definitionsOf(db)).toEqual(before);
  const { rows } = await db.pool.query<{ state: string; grants: bigint; users: bigint }>(
    `SELECT e.state, (SELECT count(*) FROM grants) AS grants, (SELECT count(*) FROM accounts WHERE kind = 'wallet') AS users
     FROM events e WHERE e.id = $1`,
    [eventId],
  );
  expect(rows).toEqual([{ state, grants: BigInt(grants), users: BigInt(users) }]);
  const violations: unknown[] = [];
  for await (const step of auditEvent(onSnapshots(db.pool), eventId)) violations.push(...step.violations);
  for await (const step of auditAllWallets(onSnapshots(db.pool))) violations.push(...step.violations);
  expect(violations).toEqual([]);
  const names = await db.pool.query<{ name: string }>(
    "SELECT name FROM accounts WHERE kind = 'wallet' ORDER BY id LIMIT 3",
  );
  expect(names.rows.map(({ name }) => name)).toEqual([0, 1, 2].map(userNameOf));
});
