// A pool isolates its users from a database that hangs: so many wait and no more, and with a breaker nobody while it leads nowhere.
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { CuttableLine } from '../../localservers/src/testing.ts';
import { isDatabaseAway, isRetryable } from './errors.ts';
import type { GuardedPool } from './guarded-pool.ts';
import { createPool, type PoolOptions } from './pool.ts';
import { createPrisma } from './prisma.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

const wait = { timeout: 20_000, interval: 20 };
let database: TestDatabase;
let line: CuttableLine;

beforeAll(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
  line = await CuttableLine.to(database.url);
});
afterAll(async () => {
  line?.close();
  await database?.drop();
});

const optionsOf = (options: Partial<PoolOptions>): PoolOptions => ({
  connectionString: line.url,
  applicationName: 'guarded',
  max: 1,
  statementTimeoutMs: 20_000,
  connectionTimeoutMs: 20_000,
  ...options,
});
const poolOf = (options: Partial<PoolOptions>) => createPool(optionsOf(options)) as GuardedPool;
const one = 'SELECT 1 AS one';

it('lets so many wait for a connection and refuses one more at once, however it asks', async () => {
  const pool = poolOf({ waitersMax: 2 });
  const holder = await pool.connect();
  const waiting = [pool.query(one), pool.connect()] as const;
  const refusals = [pool.query(one), pool.connect()].map((refused) => refused.catch((error: unknown) => error));
  for (const refusal of await Promise.all(refusals)) {
    expect(isDatabaseAway(refusal)).toBe(true);
    expect(isRetryable(refusal)).toBe(true);
  }
  holder.release();
  expect((await waiting[0]).rows).toEqual([{ one: 1 }]);
  (await waiting[1]).release();
  await pool.end();
});

it('leaves a database alone that cannot be reached, and finds it again', async () => {
  const pool = poolOf({ breaker: { failuresMax: 4 } });
  expect((await pool.query(one)).rows).toEqual([{ one: 1 }]);
  line.cut();
  const failing = async () => {
    await expect(pool.query(one)).rejects.toSatisfy(isDatabaseAway);
    return pool.breakerState;
  };
  await expect.poll(failing, wait).toBe('open');
  await failing();
  line.mend();
  const asking = () =>
    pool.query(one).then(
      () => pool.breakerState,
      () => 'refused',
    );
  await expect.poll(asking, wait).toBe('closed');
  await pool.end();
});

it('refuses the reads of Prisma in the same way', async () => {
  const prisma = createPrisma(optionsOf({ breaker: { failuresMax: 1, openFirstMs: 20_000 } }));
  const read = () => prisma.$queryRawUnsafe(one).catch((error: unknown) => error);
  line.cut();
  const errors = [await read(), await read()];
  for (const error of errors) expect(isRetryable(error)).toBe(true);
  expect(String((errors[1] as Error).message)).toContain('could not be reached of late');
  line.mend();
  await prisma.$disconnect();
});

it('has no breaker unless asked for one: who waits for as long as it takes is not refused', async () => {
  const pool = poolOf({});
  line.cut();
  for (let i = 0; i < 40; i++) await expect(pool.query(one)).rejects.toSatisfy(isDatabaseAway);
  expect(pool.breakerState).toBe('closed');
  line.mend();
  await vi.waitUntil(
    () =>
      pool.query(one).then(
        () => true,
        () => false,
      ),
    wait,
  );
  await pool.end();
});
