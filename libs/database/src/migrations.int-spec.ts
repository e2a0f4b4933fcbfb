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

  it('gives the pools of events that were there before the blocks’ life that their event had', async () => {
    // Proves that a live event goes on as it was armed when the life of blocks moves from events to pools.
    await cp(migrationsDirectory, directory, { recursive: true });
    const moves = '20261121080400_pool_block_life';
    await rm(join(directory, moves), { recursive: true });
    await apply();
    await db.pool.query(
      `INSERT INTO events (title, starts_at, ends_at, shares_end_at, per_user_max, ticket_ttl_ms, stagger_ms, shake_interval_ms,
         block_life_ms, grace_ms, created_at)
       SELECT 'event', now(), now() + interval '1 h', now() + interval '1 h', 1, 1000, 0, 1000, life, 2000, now()
       FROM unnest('{7000,8000}'::int[]) AS life;
       INSERT INTO sponsors (event_id, no, sponsor_id, name) SELECT id, 0, 's', 'S' FROM events;
       INSERT INTO waves (event_id, no, starts_at, duration_ms) SELECT id, 0, starts_at, 1000 FROM events;
       INSERT INTO pools (event_id, wave_no, sponsor_no, packet_count, budget_fen, min_fen, max_fen, share_portions,
         share_budget_fen, release_curve, block_size, block_count)
       SELECT id, 0, 0, 64, 640, 1, 100, 0, 0, '"even"', 2, 32 FROM events`,
    );
    await cp(join(migrationsDirectory, moves), join(directory, moves), { recursive: true });
    expect((await apply())[0]).toBe(moves);
    const { rows } = await db.pool.query('SELECT block_life_ms FROM pools ORDER BY id');
    expect(rows).toEqual([{ block_life_ms: 7000 }, { block_life_ms: 8000 }]);
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
