import type { Pool, PoolClient } from './pool.ts';

/**
 * Classes of our advisory locks: the first key of the two-key form, which Prisma's migrations (one key) cannot meet. The class
 * of events, 7301 with the event's id, is in the settlement functions and in begin-settlement.sql.ts.
 */
const stockerLock = { class: 7302, key: 0 } as const;

/**
 * Runs `work` as the one stocker, or tells that another process is it. The lock belongs to the connection that `work` gets: run
 * stock, restock, reclaim and retire on that one, so that a stocker that has lost its lock has lost its hands too.
 */
export async function withStockerLock<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
): Promise<{ held: true; value: T } | { held: false }> {
  const client = await pool.connect();
  let unlocked = false;
  try {
    if (!(await tryLock(client))) {
      unlocked = true;
      return { held: false };
    }
    const value = await work(client);
    unlocked = await unlock(client);
    return { held: true, value };
  } finally {
    // true ends the connection, and the lock with it
    client.release(!unlocked);
  }
}

async function tryLock(client: PoolClient): Promise<boolean> {
  const sql = 'SELECT pg_try_advisory_lock($1, $2) AS ok';
  const { rows } = await client.query<{ ok: boolean }>(sql, [stockerLock.class, stockerLock.key]);
  return rows[0]!.ok;
}

async function unlock(client: PoolClient): Promise<boolean> {
  const sql = 'SELECT pg_advisory_unlock($1, $2) AS ok';
  const { rows } = await client.query<{ ok: boolean }>(sql, [stockerLock.class, stockerLock.key]);
  return rows[0]!.ok;
}
