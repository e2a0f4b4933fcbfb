import { createPool, type Pool, type PoolClient, type PoolOptions } from './pool.ts';

/**
 * Classes of our advisory locks: the first key of the two-key form, which Prisma's migrations (one key) cannot meet. The class
 * of events, 7301 with the event's id, is in the settlement functions and in begin-settlement.sql.ts.
 */
const stockerLock = { class: 7302, key: 0 } as const;

/**
 * How long the server keeps a silent session, within a transaction or not, and the lock with it: a process that is stopped, a host that
 * dies or is cut off says no goodbye, and until its session ends there is no stocker anywhere.
 */
const idleSessionMs = 3000;
/** Signs of life of a stocker that is busy elsewhere, with Redis above all: several in `idleSessionMs`. */
const signOfLifeMs = 500;
/**
 * The server's probes of a silent peer, in seconds: gone after 5 + 3 × 2, where the default of two hours would keep the session of a
 * statement that was under way.
 */
const keepalives = { tcp_keepalives_idle: 5, tcp_keepalives_interval: 2, tcp_keepalives_count: 3 } as const;

/** A pool for `withStockerLock` alone: the server soon ends its sessions when they fall silent. */
export function createStockerPool(
  options: Omit<PoolOptions, 'serverSettings' | 'idleTimeoutMs' | 'idleInTransactionMs'>,
): Pool {
  return createPool({
    ...options,
    serverSettings: { ...keepalives, idle_session_timeout: idleSessionMs },
    idleInTransactionMs: idleSessionMs,
    // the pool lets go of what it does not use before the server does
    idleTimeoutMs: idleSessionMs / 2,
  });
}

/** Fails when the connection, and the lock with it, is lost: for work that has no statement of its own. @throws the database's error. */
export async function keepStockerLock(client: PoolClient): Promise<void> {
  await client.query('SELECT 1');
}

/**
 * Runs `work` as the one stocker, or tells that another process is it. The lock belongs to the connection that `work` gets: run
 * stock, restock, reclaim and retire on that one, so that a stocker that has lost its lock has lost its hands too. One that is stopped
 * loses it after `idleSessionMs`; one that is merely busy keeps it.
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
    const living = new LivingClient(client);
    const value = await work(living.view).finally(() => living.stop());
    unlocked = await unlock(client);
    return { held: true, value };
  } finally {
    // true ends the connection, and the lock with it
    client.release(!unlocked);
  }
}

/** A connection that gives a sign of life by itself between the statements of its user, never among them. */
class LivingClient {
  readonly view: PoolClient;
  private statements = 0;
  private sign: Promise<unknown> | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly client: PoolClient) {
    const query = (...args: unknown[]): Promise<unknown> => this.query(args);
    this.view = Object.create(client, { query: { value: query } }) as PoolClient;
    this.timer = setInterval(() => this.giveSign(), signOfLifeMs);
  }

  /** Resolves when no sign is under way any more, so that the connection can be used directly. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.sign;
  }

  private async query(args: unknown[]): Promise<unknown> {
    this.statements += 1;
    try {
      await this.sign;
      return await Reflect.apply(this.client.query, this.client, args);
    } finally {
      this.statements -= 1;
    }
  }

  /** Not within a transaction: what keeps one open for long has stopped. */
  private giveSign(): void {
    if (this.statements > 0 || this.sign !== undefined || this.client.getTransactionStatus() !== 'I') return;
    // a connection that is lost tells its user by the next statement
    this.sign = keepStockerLock(this.client)
      .catch(() => undefined)
      .finally(() => {
        this.sign = undefined;
      });
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
