// The stocker's connection: kept alive while there is nothing to do, and missed when it is lost.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStockerPool, type Pool } from '#libs/database';
import type { StoreClock } from '#libs/redis';
import { createLogger, createMetrics } from '#libs/runtime';
import { createTestDatabase, type TestDatabase } from '../../../../libs/database/src/testing.ts';
import { createAllocationMetrics } from '../process/metrics.ts';
import { type StockHands, StockLoop } from './stock-loop.ts';

const wait = { timeout: 30_000, interval: 50 };
/** Redis has been away for long: there is no time, so a tick has no work for the database. */
const clock = { nowMs: () => undefined } as unknown as StoreClock;
let db: TestDatabase;
let pool: Pool;
let loop: StockLoop;
beforeAll(async () => {
  db = await createTestDatabase();
  pool = createStockerPool({ connectionString: db.url, applicationName: 'stocker', max: 1, statementTimeoutMs: 5000 });
  // a tick is 250 ms
  pool.on('connect', (client) => void client.query('SET idle_session_timeout = 1000'));
  loop = new StockLoop({
    pool,
    clock,
    logger: createLogger('allocation', 'silent'),
    metrics: createAllocationMetrics(createMetrics('allocation')),
    makeHands: () => ({}) as StockHands,
  });
  loop.start();
});
afterAll(async () => {
  await loop?.stop();
  await pool?.end();
  await db?.drop();
});

/** The session that holds the lock, once it has lived for some multiples of the idle timeout. */
const holderPid = async (): Promise<number | undefined> => {
  const { rows } = await db.pool.query<{ pid: number }>(
    `SELECT pid FROM pg_locks JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = database
     WHERE locktype = 'advisory' AND classid = 7302 AND granted AND d.datname = current_database()
       AND a.state_change - a.backend_start > interval '3 s'`,
  );
  return rows[0]?.pid;
};

it('gives a sign of life each tick, and takes the lock anew when its connection was lost', async () => {
  await expect.poll(holderPid, wait).toBeTypeOf('number');
  const pid = (await holderPid())!;
  await db.pool.query('SELECT pg_terminate_backend($1)', [pid]);
  await expect.poll(async () => ![undefined, pid].includes(await holderPid()), wait).toBe(true);
});
