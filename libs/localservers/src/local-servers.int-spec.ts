import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, isPortFree, type LocalServer, makePassableDir, startPostgres, startRedis } from './index.ts';
import type { ServerExit } from './server-process.ts';
import { isProcessAlive } from './stale-process.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hongbao-servers-'));
  await makePassableDir(home);
});
afterAll(async () => await rm(home, { recursive: true, force: true }));

async function query(server: LocalServer, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

/** The raw answers to these commands, after those to AUTH; QUIT ends the connection. */
function redisSays(url: string, ...commands: string[]): Promise<string> {
  const { password, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1' });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
    socket.write([...(password === '' ? [] : [`AUTH ${password}`]), ...commands, 'QUIT', ''].join('\r\n'));
  });
}

/** Starts on the data of a server that runs, as a start after a killed supervisor finds it. */
async function takenOver(first: LocalServer, startAgain: () => Promise<LocalServer>): Promise<LocalServer> {
  const exits: ServerExit[] = [];
  first.onExit((exit) => exits.push(exit));
  const second = await startAgain();
  expect(isProcessAlive(first.pid)).toBe(false);
  expect(exits).toMatchObject([{ expected: false }]);
  return second;
}

describe('startPostgres', () => {
  const start = (dataDir: string) => startPostgres({ dataDir, durable: false });

  it('keeps what was committed through an orderly stop, a kill and a start by somebody else', async () => {
    const dataDir = join(home, 'postgres-kept');
    const first = await start(dataDir);
    await query(first, 'CREATE TABLE kept AS SELECT 1 AS n');
    await first.restart();
    await query(first, 'INSERT INTO kept VALUES (2)');
    await first.kill();
    expect(isProcessAlive(first.pid)).toBe(false);
    await first.restart();
    await query(first, 'INSERT INTO kept VALUES (3)');
    const second = await takenOver(first, () => start(dataDir));
    expect(await query(second, 'SELECT n FROM kept ORDER BY n')).toEqual([1, 2, 3]);
    await second.stop();
    expect(isProcessAlive(second.pid)).toBe(false);
    expect(await isPortFree(second.port)).toBe(true);
  });

  it('is durable by default, is PostgreSQL 18 in UTF-8 and listens on the loopback address alone', async () => {
    const server = await startPostgres({ dataDir: join(home, 'postgres-durable'), settings: { work_mem: '5MB' } });
    const names = [
      'fsync',
      'synchronous_commit',
      'full_page_writes',
      'listen_addresses',
      'unix_socket_directories',
      'work_mem',
    ];
    const settings = names.map((name) => `current_setting('${name}')`).join(', ');
    expect(await query(server, `SELECT ${settings}`)).toEqual(['on', 'on', 'on', '127.0.0.1', '', '5MB']);
    expect(await query(server, `SELECT current_setting('server_encoding'), current_setting('server_version')`)).toEqual(
      ['UTF8', expect.stringMatching(/^18\./)],
    );
    await server.stop();
  });

  it('lets nobody in without the password, which only the owner of the folder can read', async () => {
    const dataDir = join(home, 'postgres-closed');
    const server = await start(dataDir);
    const stranger = new Client({ connectionString: server.url.replace(/:[^:@]+@/, ':wrong@') });
    await expect(stranger.connect()).rejects.toThrow(/password authentication failed/);
    expect((await stat(join(dataDir, 'cluster.json'))).mode & 0o777).toBe(0o600);
    await server.stop();
  });

  it('starts though its lock file names a process that is not it', async () => {
    const dataDir = join(home, 'postgres-reused');
    const server = await start(dataDir);
    await server.kill();
    const lock = join(dataDir, 'cluster', 'postmaster.pid');
    await writeFile(lock, (await readFile(lock, 'utf8')).replace(/^\d+/, String(process.pid)));
    await server.restart();
    expect(await query(server, 'SELECT 1')).toEqual([1]);
    await server.stop();
  });

  it('says in its error why it could not start', async () => {
    const dataDir = join(home, 'postgres-refused');
    const refused = startPostgres({ dataDir, durable: false, settings: { work_mem: 'plenty' } });
    await expect(refused).rejects.toThrow(/PostgreSQL ended while starting.*"work_mem"/s);
  });
});

describe('startRedis', () => {
  it('keeps what it acknowledged through a kill and a start by somebody else', async () => {
    const dir = join(home, 'redis-kept');
    const first = await startRedis({ dir });
    await redisSays(first.url, 'SET kept 1');
    await first.kill();
    await first.restart();
    await redisSays(first.url, 'INCR kept');
    const second = await takenOver(first, () => startRedis({ dir }));
    expect(await redisSays(second.url, 'GET kept')).toContain('$1\r\n2\r\n');
    await second.stop();
    expect(isProcessAlive(second.pid)).toBe(false);
  });

  it('flushes each command to its file and evicts nothing', async () => {
    const server = await startRedis({ dir: join(home, 'redis-settings') });
    const wanted = { appendonly: 'yes', appendfsync: 'always', 'maxmemory-policy': 'noeviction', bind: '127.0.0.1' };
    const answer = await redisSays(server.url, ...Object.keys(wanted).map((name) => `CONFIG GET ${name}`));
    const lines = answer.split('\r\n');
    for (const [name, value] of Object.entries(wanted)) expect(lines[lines.indexOf(name) + 2]).toBe(value);
    await server.stop();
  });

  it('lets nobody in without the password', async () => {
    const server = await startRedis({ dir: join(home, 'redis-closed') });
    expect(await redisSays(server.url.replace(/:[^:@/]+@/, ''), 'PING')).toContain('NOAUTH');
    await server.stop();
  });
});

describe('freePort', () => {
  it('gives a port that can be listened on, and another one each time', async () => {
    const port = await freePort();
    expect(await freePort()).not.toBe(port);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    expect(await isPortFree(port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree(port)).toBe(true);
  });
});
