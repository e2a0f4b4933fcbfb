import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, assertMigrated, MigrationError } from './migrations.ts';
import { createBareDatabase, migrationsDirectory, type TestDatabase } from './testing.ts';

let db: TestDatabase;
let directory: string;

beforeEach(async () => {
  db = await createBareDatabase();
  directory = await mkdtemp(join(tmpdir(), 'hongbao-migrations-'));
});
afterEach(async () => {
  await db.drop();
  await rm(directory, { recursive: true });
});

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(directory, name), { recursive: true });
  await writeFile(join(directory, name, 'migration.sql'), sql);
}

const apply = () => applyMigrations(db.url, directory);

async function applied(): Promise<string[]> {
  const { rows } = await db.pool.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY started_at, migration_name',
  );
  return rows.map(({ name }) => name);
}

describe('applyMigrations', () => {
  it("applies the project's migrations once, in order, and the start check agrees", async () => {
    await cp(migrationsDirectory, directory, { recursive: true });
    await expect(assertMigrated(db.pool, directory)).rejects.toThrow(/lacks .*_tables.*apply the migrations/);
    const names = await apply();
    expect(names.length).toBeGreaterThanOrEqual(4);
    expect(names).toEqual(names.toSorted());
    expect(await applied()).toEqual(names);
    expect(await apply()).toEqual([]);
    await assertMigrated(db.pool, directory);
  });

  it("keeps Prisma's own table: its columns, its checksums", async () => {
    await write('1_a', 'CREATE TABLE a (id int);\n');
    await apply();
    const { rows } = await db.pool.query('SELECT * FROM _prisma_migrations');
    expect(rows).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        // printf 'CREATE TABLE a (id int);\n' | sha256sum
        checksum: 'c2de7559380e5ebf65caa7d59e166558e80243cf7e70006cc98d1593d94203c1',
        finished_at: expect.any(Date),
        migration_name: '1_a',
        logs: null,
        rolled_back_at: null,
        started_at: expect.any(Date),
        applied_steps_count: 1,
      },
    ]);
  });

  it('is run by one of many processes that start at once', async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await write('2_b', 'CREATE TABLE b (id int)');
    const runs = await Promise.all([apply(), apply(), apply(), apply()]);
    expect(runs.flat().sort()).toEqual(['1_a', '2_b']);
  });

  it('applies what was added later', async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await apply();
    await write('2_b', 'ALTER TABLE a ADD b int');
    expect(await apply()).toEqual(['2_b']);
  });

  it('rolls a failing migration back as a whole, keeps those before it, and can be run again', async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await write('2_b', 'CREATE TABLE b (id int); INSERT INTO a VALUES (1); SELECT 1 / 0;');
    await expect(apply()).rejects.toThrow(/2_b failed and was rolled back: .*division by zero/);
    expect(await applied()).toEqual(['1_a']);
    const { rows } = await db.pool.query("SELECT to_regclass('b') AS b, (SELECT count(*)::int FROM a) AS count");
    expect(rows).toEqual([{ b: null, count: 0 }]);
    await write('2_b', 'CREATE TABLE b (id int)');
    expect(await apply()).toEqual(['2_b']);
  });

  it('names a migration that was changed after it was applied', async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await apply();
    await write('1_a', 'CREATE TABLE a (id bigint)');
    await expect(apply()).rejects.toThrow(/1_a was changed after it was applied/);
    await expect(assertMigrated(db.pool, directory)).rejects.toThrow(/1_a was changed/);
  });

  it("names a migration that Prisma's engine left half applied, until it is resolved", async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await apply();
    await db.pool.query('UPDATE _prisma_migrations SET finished_at = NULL');
    await expect(apply()).rejects.toThrow(/1_a was begun and not finished/);
    await expect(assertMigrated(db.pool, directory)).rejects.toBeInstanceOf(MigrationError);
    await db.pool.query('UPDATE _prisma_migrations SET rolled_back_at = now()');
    await db.pool.query('DROP TABLE a');
    expect(await apply()).toEqual(['1_a']);
  });

  it('refuses to touch a database that is newer, but a program may run on one', async () => {
    await write('1_a', 'CREATE TABLE a (id int)');
    await write('2_b', 'CREATE TABLE b (id int)');
    await apply();
    await rm(join(directory, '2_b'), { recursive: true });
    await expect(apply()).rejects.toThrow(/2_b is applied, but this program does not know it/);
    await assertMigrated(db.pool, directory);
  });

  it('says so when there are no migrations at all', async () => {
    await expect(apply()).rejects.toThrow(/holds no migrations/);
  });
});
