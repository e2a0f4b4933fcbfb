import { spawn } from 'node:child_process';
import { readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hasCode } from './errno.ts';
import { freePort } from './free-port.ts';
import { type LocalServer, startLocalServer } from './local-server.ts';
import {
  type Binaries,
  type Cluster,
  exists,
  findCluster,
  makeClusterDir,
  postgresBinaries,
} from './postgres-files.ts';
import { type Identity, postgresIdentity } from './postgres-user.ts';
import { endStaleProcess, isProcessAlive, worksIn } from './stale-process.ts';

export type PostgresOptions = {
  /** Keeps the cluster (or the note where it is), its password and its log; made when missing. */
  dataDir: string;
  /** Absent: a free one. */
  port?: number;
  /** postgresql.conf settings over the defaults below. */
  settings?: Record<string, string>;
  /** False: nothing is flushed to disk, so a commit outlives the server but not the machine: for tests. Default true. */
  durable?: boolean;
  /** Told what the person at the terminal should know, a line at a time. */
  say?: (line: string) => void;
};

const role = 'hongbao';
const database = 'hongbao';
const startTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const staleTimeoutMs = 10_000;
const initTimeoutMs = 120_000;
const locale = { LC_ALL: 'C', TZ: 'UTC' };

const defaultSettings: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '10min',
  // After a checkpoint nearly every open is the first to touch its pages, and compressing their images cost nearly twice the CPU of the open itself.
  wal_compression: 'off',
  // The settlement calls are short and many: compiling them never pays.
  jit: 'off',
  timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
};

const carelessSettings: Record<string, string> = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '128MB',
};

/**
 * Starts PostgreSQL 18 on 127.0.0.1 with the data of `dataDir`, made when missing, taking over from a server that an earlier run left
 * behind there. Its one role is a superuser (scram, random password) and its database is `hongbao`.
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalServer> {
  const say = options.say ?? (() => undefined);
  const dataDir = resolve(options.dataDir);
  const identity = await postgresIdentity();
  const binaries = await postgresBinaries(identity, say);
  const cluster = await findCluster(dataDir, identity, say);
  const durable = options.durable ?? true;
  if (!(await exists(cluster.dir))) await initialise({ binaries, cluster, identity, durable });
  const port = options.port ?? (await freePort());
  const settings = {
    ...defaultSettings,
    ...(durable ? {} : carelessSettings),
    ...options.settings,
    port: String(port),
  };
  return await startLocalServer({
    url: `postgresql://${role}:${cluster.password}@127.0.0.1:${port}/${database}`,
    port,
    takeOver: async () => await takeOver(cluster.dir),
    // After a SIGKILL the server's own children need a moment to notice and let go of the shared memory.
    isPassing: (log) => log.includes('pre-existing shared memory block'),
    spec: {
      name: 'PostgreSQL',
      command: binaries.postgres,
      args: ['-D', cluster.dir, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
      cwd: '/',
      env: locale,
      identity,
      logFile: join(dataDir, 'postgres.log'),
      // Fast shutdown, then immediate shutdown.
      stopSignals: ['SIGINT', 'SIGQUIT'],
      stopTimeoutMs,
      startTimeoutMs,
      isReady: async (pid) => await isReady(cluster.dir, pid),
    },
  });
}

type Initialisation = {
  binaries: Binaries;
  cluster: Cluster;
  identity: Identity | undefined;
  durable: boolean;
};

/** Makes the cluster under another name and renames it, so that a start that was cut short leaves none. */
async function initialise({ binaries, cluster, identity, durable }: Initialisation): Promise<void> {
  const draft = `${cluster.dir}.new`;
  await rm(draft, { recursive: true, force: true });
  await makeClusterDir(draft, identity);
  const sync = durable ? [] : ['--no-sync'];
  const locales = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${role}`, '--auth=scram-sha-256', '--pwfile=/dev/stdin'];
  // initdb opens its password file by name, which a socket (what Node gives a child as its input) does not allow: `cat |` makes it a pipe.
  const initdb = [
    '/bin/sh',
    '-c',
    'cat | "$0" "$@"',
    binaries.initdb,
    `--pgdata=${draft}`,
    ...locales,
    ...access,
    ...sync,
    '--no-instructions',
  ];
  await feed(initdb, `${cluster.password}\n`, identity);
  const single = [binaries.postgres, '--single', '-D', draft, '-c', `fsync=${durable ? 'on' : 'off'}`, 'postgres'];
  await feed(single, `CREATE DATABASE ${database}\n`, identity);
  await rename(draft, cluster.dir);
}

/** Runs a program to its end with this standard input. */
async function feed([command = '', ...args]: string[], input: string, identity: Identity | undefined): Promise<void> {
  const child = spawn(command, args, { cwd: '/', env: locale, timeout: initTimeoutMs, ...identity });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  child.stdin.on('error', () => child.kill());
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolveCode, reject) => {
    child.once('error', (cause) => reject(new Error(`${command} cannot be run`, { cause })));
    child.once('close', resolveCode);
  });
  if (code !== 0 || /^.*(ERROR|FATAL|PANIC): /m.test(output)) throw new Error(`${command} failed:\n${output.trim()}`);
}

const lockFile = { pid: 0, status: 7 };

/** The lines of postmaster.pid; empty when there is no such file. */
async function readLock(dir: string): Promise<string[]> {
  try {
    return (await readFile(join(dir, 'postmaster.pid'), 'utf8')).split('\n').map((line) => line.trim());
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The way pg_ctl waits: the server writes its own state into its lock file. */
async function isReady(dir: string, pid: number): Promise<boolean> {
  const lock = await readLock(dir);
  return lock[lockFile.pid] === String(pid) && lock[lockFile.status] === 'ready';
}

async function takeOver(dir: string): Promise<void> {
  const pid = Number((await readLock(dir))[lockFile.pid] ?? 0);
  if (pid <= 0 || !isProcessAlive(pid)) return;
  if (await worksIn(pid, dir)) return await endStaleProcess(pid, ['SIGINT', 'SIGQUIT', 'SIGKILL'], staleTimeoutMs);
  // Another process was given the number since: PostgreSQL trusts the number alone and would refuse to start.
  await rm(join(dir, 'postmaster.pid'), { force: true });
}
