import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Db } from './pool.ts';

/*
 * Applies prisma/migrations in the order of their names and keeps Prisma's own table, so that `prisma migrate deploy` can take
 * over at any time: the same columns, the same checksum (SHA-256 of the file) and the same advisory lock. Other than Prisma,
 * it runs each migration in a transaction, together with its row: a migration is applied as a whole or not at all.
 */

/** A database that does not fit the migrations of this program. The message says what to do. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

/** The advisory lock of Prisma's migration engine. */
const prismaLock = 72707369;
const lockTimeoutMs = 60_000;
/** A migration may rewrite a table. */
const statementTimeoutMs = 600_000;
const connectionTimeoutMs = 10_000;

const createTable = `
CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id                  VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum            VARCHAR(64) NOT NULL,
  finished_at         TIMESTAMPTZ,
  migration_name      VARCHAR(255) NOT NULL,
  logs                TEXT,
  rolled_back_at      TIMESTAMPTZ,
  started_at          TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count INTEGER NOT NULL DEFAULT 0
)`;

interface Migration {
  readonly name: string;
  readonly checksum: string;
  readonly sql: string;
}

interface AppliedRow {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/**
 * Brings a database up to the migrations of `directory` (prisma/migrations) and gives the names of those applied now. Any number
 * of processes may call it at once: one applies, the others wait. Throws a MigrationError when an applied migration was changed
 * or is missing in the directory, or when one was left half applied; the database's own error, as `cause`, when one fails.
 */
export async function applyMigrations(connectionString: string, directory: string): Promise<string[]> {
  const migrations = await readMigrations(directory);
  const client = new pg.Client({
    connectionString,
    application_name: 'hongbao-migrate',
    connectionTimeoutMillis: connectionTimeoutMs,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
  });
  await client.connect();
  try {
    // a session lock, as Prisma takes it: ending the connection releases it
    await client.query('SELECT pg_advisory_lock($1)', [prismaLock]);
    await client.query(createTable);
    const applied = await readApplied(client);
    assertFits(migrations, applied);
    const due = migrations.filter(({ name }) => !applied.some((row) => row.migration_name === name));
    for (const migration of due) await apply(client, migration);
    return due.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

/**
 * Throws a MigrationError that names what is missing unless every migration of `directory` is applied, unchanged. Migrations
 * that this program does not know are no fault here: a newer release may have been rolled out first.
 */
export async function assertMigrated(db: Db, directory: string): Promise<void> {
  const migrations = await readMigrations(directory);
  const applied = await readAppliedIfAny(db);
  const known = applied.filter((row) => migrations.some(({ name }) => name === row.migration_name));
  assertFits(migrations, known);
  const missing = migrations.filter(({ name }) => !applied.some((row) => row.migration_name === name));
  if (missing.length > 0) {
    throw new MigrationError(
      `The database lacks ${missing.map(({ name }) => name).join(', ')}: apply the migrations first`,
    );
  }
}

async function readMigrations(directory: string): Promise<Migration[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  if (names.length === 0) throw new MigrationError(`${directory} holds no migrations`);
  return await Promise.all(names.sort().map((name) => readMigration(directory, name)));
}

async function readMigration(directory: string, name: string): Promise<Migration> {
  const sql = await readFile(join(directory, name, 'migration.sql'), 'utf8');
  return { name, sql, checksum: createHash('sha256').update(sql, 'utf8').digest('hex') };
}

async function readApplied(db: Pick<Db, 'query'> | pg.Client): Promise<AppliedRow[]> {
  const { rows } = await db.query<AppliedRow>(
    `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  );
  return rows;
}

async function readAppliedIfAny(db: Db): Promise<AppliedRow[]> {
  const { rows } = await db.query<{ exists: boolean }>(
    "SELECT to_regclass('_prisma_migrations') IS NOT NULL AS exists",
  );
  return rows[0]!.exists ? await readApplied(db) : [];
}

function assertFits(migrations: readonly Migration[], applied: readonly AppliedRow[]): void {
  for (const row of applied) {
    const name = row.migration_name;
    if (row.finished_at === null) {
      throw new MigrationError(
        `${name} was begun and not finished: repair the database by hand, then mark it with \`prisma migrate resolve\``,
      );
    }
    const migration = migrations.find((candidate) => candidate.name === name);
    if (migration === undefined) {
      throw new MigrationError(`${name} is applied, but this program does not know it: the database is newer`);
    }
    if (migration.checksum !== row.checksum) {
      throw new MigrationError(
        `${name} was changed after it was applied: put it back, and add a new migration instead`,
      );
    }
  }
}

async function apply(client: pg.Client, { name, checksum, sql }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK');
    throw new MigrationError(`${name} failed and was rolled back: ${String(cause)}`, { cause });
  }
}
