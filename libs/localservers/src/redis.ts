import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { hasCode } from './errno.ts';
import { freePort } from './free-port.ts';
import { type LocalServer, startLocalServer } from './local-server.ts';
import { findRedisServer } from './redis-server.ts';
import { endStaleProcess, worksIn } from './stale-process.ts';

export type RedisOptions = {
  /** Keeps the append-only file, the password and the log; made when missing. */
  dir: string;
  /** Absent: a free one. */
  port?: number;
  /** Path of the server; absent: {@link findRedisServer}. */
  server?: string;
  /** redis.conf directives over the defaults below. */
  settings?: Record<string, string>;
  /** Told what the person at the terminal should know, a line at a time. */
  say?: (line: string) => void;
};

const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;
const staleTimeoutMs = 10_000;
const pingTimeoutMs = 2_000;

/** An acknowledged job is on disk (invariant 6) and is never evicted. */
const defaultSettings: Record<string, string> = {
  bind: '127.0.0.1',
  'protected-mode': 'yes',
  appendonly: 'yes',
  appendfsync: 'always',
  'maxmemory-policy': 'noeviction',
  save: '""',
};

/**
 * Starts Redis (or Valkey) on 127.0.0.1 with the append-only file of `dir`, taking over from a server that an earlier run left behind
 * there. It asks for a password, which is in the url.
 */
export async function startRedis(options: RedisOptions): Promise<LocalServer> {
  const say = options.say ?? (() => undefined);
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const server = options.server ?? (await findRedisServer({ say }));
  const password = await keptPassword(join(dir, 'password'));
  const port = options.port ?? (await freePort());
  const pidFile = join(dir, 'redis.pid');
  const config = join(dir, 'redis.conf');
  await writeConfig(config, {
    ...defaultSettings,
    ...options.settings,
    dir,
    port: String(port),
    pidfile: pidFile,
    requirepass: password,
  });
  return await startLocalServer({
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    takeOver: async () => await takeOver(pidFile, dir),
    isPassing: () => false,
    spec: {
      name: 'Redis',
      command: server,
      args: [config],
      cwd: dir,
      env: { LC_ALL: 'C', TZ: 'UTC' },
      logFile: join(dir, 'redis.log'),
      stopSignals: ['SIGTERM'],
      stopTimeoutMs,
      startTimeoutMs,
      isReady: async () => await answersPing(port, password),
    },
  });
}

async function keptPassword(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    const password = randomBytes(24).toString('base64url');
    await writeFile(path, `${password}\n`, { mode: 0o600 });
    return password;
  }
}

async function writeConfig(path: string, settings: Record<string, string>): Promise<void> {
  const quoted = { ...settings, dir: JSON.stringify(settings['dir']), pidfile: JSON.stringify(settings['pidfile']) };
  const lines = Object.entries(quoted).map(([key, value]) => `${key} ${value}\n`);
  await writeFile(path, lines.join(''), { mode: 0o600 });
  await chmod(path, 0o600);
}

async function takeOver(pidFile: string, dir: string): Promise<void> {
  const pid = await readPid(pidFile);
  if (pid !== undefined && (await worksIn(pid, dir)))
    await endStaleProcess(pid, ['SIGTERM', 'SIGKILL'], staleTimeoutMs);
}

async function readPid(path: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(path, 'utf8')).trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** True when the server of this password answers: one that still reads its file says LOADING, a stranger says WRONGPASS. */
function answersPing(port: number, password: string): Promise<boolean> {
  return new Promise((resolveAnswer) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    const settle = (isUp: boolean) => {
      socket.destroy();
      resolveAnswer(isUp);
    };
    socket.setTimeout(pingTimeoutMs, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
      if (answer.startsWith('+OK\r\n+PONG')) settle(true);
      else if (answer.includes('-')) settle(false);
    });
  });
}
