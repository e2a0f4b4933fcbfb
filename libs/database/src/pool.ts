import pg from 'pg';
import type { BreakerOptions } from '#libs/isolation';
import { GuardedPool } from './guarded-pool.ts';

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;
/** Where an operation runs: a pool, or one connection of it. */
export type Db = Pool | PoolClient;

export interface PoolOptions {
  readonly connectionString: string;
  /** Shown in pg_stat_activity: the service's name. */
  readonly applicationName: string;
  /** Most connections: a written sum of their users. */
  readonly max: number;
  /** Longest statement, ended by the server. */
  readonly statementTimeoutMs: number;
  /** Longest wait for one lock; default half of the statement timeout, so that the lock is what the error names. */
  readonly lockTimeoutMs?: number;
  /** Longest silence of a client within a transaction, ended by the server; default the statement timeout. */
  readonly idleInTransactionMs?: number;
  /** Longest wait for a connection, new or from the pool. */
  readonly connectionTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  /** Statements and transactions that may wait for a connection; one more is refused at once. */
  readonly waitersMax?: number;
  /**
   * For users who would rather be refused than wait: after connections could not be had again and again, nobody waits for one until a
   * probe gets through. Absent: none, as for those who wait for as long as it takes and are few.
   */
  readonly breaker?: BreakerOptions;
  /** Further settings of the server for these sessions, by name; `options` in the connection string take their place. */
  readonly serverSettings?: Readonly<Record<string, number>>;
  /** Told of an idle connection that broke. The pool has dropped it; the next statement gets another one, or the error. */
  readonly onIdleError?: (error: Error) => void;
}

const connectionTimeoutMsDefault = 2_000;
const waitersDefaultMax = 1000;
const idleTimeoutMsDefault = 30_000;
/** How much longer the client waits than the server allows: only a server that is stopped or cut off gets to it. */
const serverAnswerMarginMs = 1_000;

const int8Oid = 20;

/** bigint columns as bigint: packet ids have 63 bits. Amounts go through `safeNumber`. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8Oid && format !== 'binary'
      ? BigInt
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** The settings of a pool, every timeout explicit: pg's own defaults wait for ever. */
function poolConfig(options: PoolOptions): pg.PoolConfig {
  return {
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.max,
    min: 0,
    connectionTimeoutMillis: options.connectionTimeoutMs ?? connectionTimeoutMsDefault,
    idleTimeoutMillis: options.idleTimeoutMs ?? idleTimeoutMsDefault,
    statement_timeout: options.statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? Math.ceil(options.statementTimeoutMs / 2),
    idle_in_transaction_session_timeout: options.idleInTransactionMs ?? options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + serverAnswerMarginMs,
    options: Object.entries(options.serverSettings ?? {})
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
    keepAlive: true,
    allowExitOnIdle: false,
  };
}

/** A connection pool. Connects when first used; end it with `pool.end()`. */
export function createPool(options: PoolOptions): Pool {
  const { waitersMax = waitersDefaultMax, breaker } = options;
  const pool = new GuardedPool({ ...poolConfig(options), types }, { waitersMax, breaker });
  // 'error' events without a listener end the process: from an idle connection, and from one that is checked out and breaks
  // between two statements (its next statement rejects)
  pool.on('error', (error) => options.onIdleError?.(error));
  pool.on('connect', (client) => client.on('error', ignore));
  return pool;
}

function ignore(): void {
  // told elsewhere: see where it is used
}

/** Runs `work` in a READ COMMITTED transaction of its own: committed when it resolves, rolled back when it rejects. */
export function inTransaction<T>(db: Db, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return between(db, 'BEGIN ISOLATION LEVEL READ COMMITTED', work);
}

/** Runs `work` on one snapshot of the database, read only: what its statements see belongs together. */
export function inSnapshot<T>(db: Db, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return between(db, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', work);
}

async function between<T>(db: Db, begin: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  if (!(db instanceof pg.Pool)) return await transact(db, begin, work);
  const client = await db.connect();
  try {
    return await transact(client, begin, work);
  } finally {
    // true drops the connection: it may still be in a transaction, or waiting for an answer
    client.release(client.getTransactionStatus() !== 'I');
  }
}

async function transact<T>(client: PoolClient, begin: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  await client.query(begin);
  try {
    const value = await work(client);
    const { command } = await client.query('COMMIT');
    // the server answers so, and without an error, when `work` went on after a statement that had failed
    if (command === 'ROLLBACK') throw new Error('the transaction was rolled back: a statement of it had failed');
    return value;
  } catch (error) {
    // where the roll-back fails too, the connection is broken and the server rolls back: the first error is the one to tell
    await client.query('ROLLBACK').catch(ignore);
    throw error;
  }
}
