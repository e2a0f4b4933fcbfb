import { type AddressInfo, connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { isBlocked, isDatabaseAway, isDataError, isRetryable } from './errors.ts';
import { inTransaction, type Pool } from './pool.ts';
import { createPrisma } from './prisma.ts';
import { loadEvents } from './read/load-events.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;
const closers: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  db = await createTestDatabase();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => await db.drop());

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

function kindOf(error: unknown): 'away' | 'conflict' | 'data' | 'other' {
  expect(error).toBeInstanceOf(Error);
  if (isDatabaseAway(error)) return 'away';
  if (isRetryable(error)) return 'conflict';
  return isDataError(error) ? 'data' : 'other';
}

/** A server in front of PostgreSQL that can stop passing anything on, as a machine that is cut off does. */
async function startProxy(): Promise<{ url: string; freeze: () => void; stop: () => void }> {
  const target = new URL(db.url);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const upstream = connectSocket(Number(target.port), target.hostname);
    for (const one of [socket, upstream]) sockets.add(one.on('error', () => one.destroy()));
    socket.on('close', () => upstream.destroy());
    upstream.on('close', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  closers.push(stop);
  const url = new URL(db.url);
  url.port = String((server.address() as AddressInfo).port);
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { url: url.href, stop, freeze };
}

function openPool(connectionString: string, options: object = {}): Pool {
  return db.openPool({ connectionString, max: 2, statementTimeoutMs: 500, connectionTimeoutMs: 300, ...options });
}

describe('a database that is away', () => {
  it('refused: nothing listens', async () => {
    const proxy = await startProxy();
    proxy.stop();
    expect(kindOf(await errorOf(openPool(proxy.url).query('SELECT 1')))).toBe('away');
  });

  it('silent: the connection is taken and never answered', async () => {
    const server = createServer((socket) => socket.on('error', () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const error = await errorOf(openPool(`postgresql://u:p@127.0.0.1:${port}/x`).query('SELECT 1'));
    expect(kindOf(error)).toBe('away');
  });

  it('frozen in a statement: the client gives up by itself, and drops the connection', async () => {
    const proxy = await startProxy();
    const pool = openPool(proxy.url);
    await pool.query('SELECT 1');
    proxy.freeze();
    expect(kindOf(await errorOf(pool.query('SELECT 1')))).toBe('away');
    expect(pool.totalCount).toBe(0);
  });

  it('frozen in a transaction: the first error is told, and the connection is dropped', async () => {
    const proxy = await startProxy();
    const pool = openPool(proxy.url);
    const work = inTransaction(pool, async (client) => {
      proxy.freeze();
      await client.query('SELECT 1');
    });
    expect(kindOf(await errorOf(work))).toBe('away');
    expect(pool.totalCount).toBe(0);
  });

  it('cut off between two statements of a transaction: no crash, the next statement tells', async () => {
    const proxy = await startProxy();
    const pool = openPool(proxy.url);
    const work = inTransaction(pool, async (client) => {
      const gone = new Promise((resolve) => client.once('end', resolve));
      proxy.stop();
      await gone;
      await client.query('SELECT 1');
    });
    expect(kindOf(await errorOf(work))).toBe('away');
  });

  it('cut off while idle: the pool tells, and connects anew', async () => {
    const told: Error[] = [];
    const pool = openPool(db.url, { applicationName: 'idler', onIdleError: (error: Error) => told.push(error) });
    await pool.query('SELECT 1');
    const removed = new Promise((resolve) => pool.once('remove', resolve));
    await db.pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idler'");
    await removed;
    expect(told.map(kindOf)).toEqual(['away']);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('shut down by an administrator in the middle of a statement', async () => {
    const pool = openPool(db.url, { applicationName: 'sleeper', statementTimeoutMs: 20_000 });
    const error = errorOf(pool.query('SELECT pg_sleep(20)'));
    for (let ended = 0; ended === 0; ) {
      const { rowCount } = await db.pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sleeper' AND query ~ 'pg_sleep'",
      );
      ended = rowCount ?? 0;
    }
    expect(await error).toMatchObject({ code: '57P01' });
    expect(kindOf(await error)).toBe('away');
  });

  it('no connection to be had: all of the pool are taken', async () => {
    const pool = openPool(db.url, { max: 1 });
    const client = await pool.connect();
    expect(kindOf(await errorOf(pool.query('SELECT 1')))).toBe('away');
    client.release();
  });

  it('away for Prisma: refused, and cut off', async () => {
    const proxy = await startProxy();
    const options = { connectionString: proxy.url, applicationName: 'test', max: 1, statementTimeoutMs: 500 };
    const prisma = createPrisma(options);
    closers.push(() => prisma.$disconnect());
    expect(await loadEvents(prisma)).toEqual([]);
    proxy.freeze();
    expect(kindOf(await errorOf(loadEvents(prisma)))).toBe('away');
    proxy.stop();
    expect(kindOf(await errorOf(loadEvents(prisma)))).toBe('away');
  });
});

describe('errors of statements', () => {
  it('a conflict: lock timeout, statement timeout, deadlock, serialisation', async () => {
    const pool = openPool(db.url, { lockTimeoutMs: 50 });
    const holder = await db.pool.connect();
    await holder.query('BEGIN; LOCK TABLE events');
    const lockTimeout = await errorOf(pool.query('SELECT * FROM events'));
    await holder.query('ROLLBACK');
    holder.release();
    for (const error of [lockTimeout, await errorOf(pool.query('SELECT pg_sleep(5)'))]) {
      expect(kindOf(error)).toBe('conflict');
      expect(isBlocked(error)).toBe(true);
    }
    for (const state of ['40001', '40P01']) {
      const error = await errorOf(pool.query(`DO $$ BEGIN RAISE SQLSTATE '${state}'; END $$`));
      expect(kindOf(error)).toBe('conflict');
      expect(isBlocked(error)).toBe(false);
    }
    const outOfMemory = await errorOf(pool.query("DO $$ BEGIN RAISE SQLSTATE '53200'; END $$"));
    expect(kindOf(outOfMemory)).toBe('away');
    expect(isBlocked(outOfMemory)).toBe(true);
  });

  it('data: a CHECK, a number out of range, text that is no number', async () => {
    for (const sql of [
      "INSERT INTO accounts (kind, name) VALUES ('purse', 'x')",
      'SELECT 99999999999::int',
      "SELECT 'x'::int",
    ]) {
      expect(kindOf(await errorOf(db.pool.query(sql)))).toBe('data');
    }
  });

  it('neither: a table that is missing is no reason to set items aside, nor to repeat without telling anybody', async () => {
    for (const sql of ['SELECT * FROM no_such_table', 'SELECT no_such_function()', 'SELEC 1']) {
      expect(kindOf(await errorOf(db.pool.query(sql)))).toBe('other');
    }
    expect(kindOf(new Error('the program went wrong'))).toBe('other');
  });

  it('is found behind `cause`, and nothing is found in what is no error', () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    expect(isDatabaseAway(new Error('outer', { cause: new Error('inner', { cause: refused }) }))).toBe(true);
    for (const nothing of [undefined, null, 'ECONNREFUSED', 5, {}]) expect(isRetryable(nothing)).toBe(false);
    const loop = new Error('loop');
    loop.cause = loop;
    expect(isRetryable(loop)).toBe(false);
  });
});

describe('transactions', () => {
  it('are not said to be committed when a statement had failed and its error was swallowed', async () => {
    const work = inTransaction(db.pool, async (client) => {
      await client.query("INSERT INTO accounts (kind, name) VALUES ('sponsor', 'ghost')");
      await client.query('SELECT 1 / 0').catch(() => undefined);
      return 'done';
    });
    await expect(work).rejects.toThrow('rolled back');
    const { rowCount } = await db.pool.query("SELECT FROM accounts WHERE name = 'ghost'");
    expect(rowCount).toBe(0);
  });

  it('every setting reaches the server', async () => {
    const pool = openPool(inject('postgresUrl'), {
      applicationName: 'settings',
      statementTimeoutMs: 4_000,
      lockTimeoutMs: 700,
    });
    const { rows } = await pool.query(
      `SELECT name, setting FROM pg_settings
       WHERE name IN ('application_name', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      application_name: 'settings',
      statement_timeout: '4000',
      lock_timeout: '700',
      idle_in_transaction_session_timeout: '4000',
    });
  });
});
