import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readlink, realpath } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { hasCode } from './errno.ts';

const pollMs = 20;
const lsofTimeoutMs = 5_000;

/** Is there a process of this id that can still run (not a zombie that nobody has waited for)? */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    if (!hasCode(error, 'EPERM')) throw error;
  }
  return process.platform !== 'linux' || !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    return / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, ''));
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return true;
    throw error;
  }
}

/**
 * Is `pid` a server that works in `dir`? Process ids are used again after a restart of the machine, so a pid file alone proves
 * nothing; both PostgreSQL and Redis change into their data directory.
 */
export async function worksIn(pid: number, dir: string): Promise<boolean> {
  if (!isProcessAlive(pid)) return false;
  const cwd = process.platform === 'linux' ? await linuxCwd(pid) : await lsofCwd(pid);
  return cwd !== undefined && cwd === (await realpath(dir));
}

/** Ends a server that an earlier run left behind: each signal in turn, `timeoutMs` after the one before. */
export async function endStaleProcess(
  pid: number,
  signals: readonly NodeJS.Signals[],
  timeoutMs: number,
): Promise<void> {
  for (const signal of signals) {
    if (!sendSignal(pid, signal)) return;
    const deadline = Date.now() + timeoutMs;
    while (isProcessAlive(pid) && Date.now() < deadline) await delay(pollMs);
    if (!isProcessAlive(pid)) return;
  }
  throw new Error(`Process ${pid}, left over from an earlier run, does not end`);
}

/** False when the process is gone already. */
function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw new Error(`Process ${pid}, left over from an earlier run, cannot be ended`, { cause: error });
  }
}

/** Undefined: the process is gone, or belongs to somebody else. */
async function linuxCwd(pid: number): Promise<string | undefined> {
  return await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}

async function lsofCwd(pid: number): Promise<string | undefined> {
  const run = promisify(execFile)('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn'], { timeout: lsofTimeoutMs });
  const output = await run.then(({ stdout }) => stdout).catch(() => '');
  return /^n(.+)$/m.exec(output)?.[1];
}
