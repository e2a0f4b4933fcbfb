import { createPool, type Pool, type PoolClient, type PoolOptions } from './pool.ts';

/**
 * Classes of our advisory locks: the first key of the two-key form, which Prisma's migrations (one key) cannot meet. The class
 * of events, 7301 with the event's id, is in the settlement functions and in begin-settlement.sql.ts.
 */
const stockerLock = { class: 7302, key: 0 } as const;

/**
 * How long the server keeps a silent session, and the lock with it: a host that dies or is cut off says no goodbye, and until its
 * session ends there is no stocker anywhere. `keepStockerLock` each tick is far more often than this.
 */
const idleSessionMs = 10_000;
/**
 * The server's probes of a silent peer, in seconds: gone after 5 + 3 × 2, where the default of two hours would keep the session of a
 * statement that was under way.
 */
const keepalives = { tcp_keepalives_idle: 5, tcp_keepalives_interval: 2, tcp_keepalives_count: 3 } as const;

/** A pool for `withStockerLock` alone: the server soon ends its sessions when they fall silent. */
export function createStockerPool(options: Omit<PoolOptions, 'serverSettings' | 'idleTimeoutMs'>): Pool {
  return createPool({
    ...options,
    serverSettings: { ...keepalives, idle_session_timeout: idleSessionMs },
    // the pool lets go of what it does not use before the server does
    idleTimeoutMs: idleSessionMs / 2,
  });
}

/**
 * A sign of life on the connection that holds the lock. Give one often, with or without other work: a connection that is lost, and
 * the lock with it, is noticed, and one that lives is never taken for silent. @throws the database's error: the lock is lost.
 */
export async function keepStockerLock(client: PoolClient): Promise<void> {
  await client.query('SELECT 1');
}

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
