import { execFile } from 'node:child_process';
import { access, constants, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { hasCode } from './errno.ts';

const run = promisify(execFile);
const names = ['redis-server', 'valkey-server'] as const;
const aptTimeoutMs = 300_000;
const policyPath = '/usr/sbin/policy-rc.d';
const advice = 'install Debian\'s package "redis-server" (apt-get install redis-server), or set REDIS_URL';

/**
 * The path of `redis-server` or `valkey-server`: from the PATH, else Debian's package is installed where this process may do that (root,
 * apt-get there). Throws with what to do otherwise.
 */
export async function findRedisServer(options: { say?: (line: string) => void } = {}): Promise<string> {
  const found = await findOnPath();
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || (await findExecutable('apt-get')) === undefined) {
    throw new Error(`There is no redis-server or valkey-server on the PATH: ${advice}`);
  }
  options.say?.(
    "There is no redis-server on the PATH: installing Debian's package (it is neither started nor enabled)",
  );
  await installPackage();
  const installed = await findOnPath();
  if (installed === undefined) throw new Error(`Debian's package left no redis-server on the PATH: ${advice}`);
  return installed;
}

async function findOnPath(): Promise<string | undefined> {
  for (const name of names) {
    const path = await findExecutable(name);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function findExecutable(name: string): Promise<string | undefined> {
  // The folders of root's own PATH are tried too: a bare environment may lack them.
  const dirs = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin'];
  for (const dir of dirs.filter((entry) => entry !== '')) {
    const path = join(dir, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return false;
    throw error;
  }
}

async function installPackage(): Promise<void> {
  try {
    await aptGet(['update', '--quiet']);
    await withoutServiceStarts(async () => {
      await aptGet(['install', '--yes', '--quiet', '--no-install-recommends', 'redis-server']);
    });
    await disableUnit();
  } catch (cause) {
    throw new Error(`There is no redis-server on the PATH and apt-get could not install it: ${advice}`, { cause });
  }
}

/** Waits for another apt-get rather than failing beside it. */
async function aptGet(args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  await run('apt-get', ['-o', 'DPkg::Lock::Timeout=240', ...args], { env, timeout: aptTimeoutMs });
}

/** Debian asks policy-rc.d before it starts a package's service: 101 says no. A policy that is there already stays in force. */
async function withoutServiceStarts(work: () => Promise<void>): Promise<void> {
  const isOurs = await writePolicy();
  try {
    await work();
  } finally {
    if (isOurs) await rm(policyPath, { force: true });
  }
}

async function writePolicy(): Promise<boolean> {
  try {
    await writeFile(policyPath, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** The package enables its unit for the next boot; nobody asked for a Redis on the usual port. */
async function disableUnit(): Promise<void> {
  if ((await findExecutable('systemctl')) === undefined) return;
  if (
    !(await readFile('/lib/systemd/system/redis-server.service', 'utf8').then(
      () => true,
      () => false,
    ))
  )
    return;
  await run('systemctl', ['disable', '--quiet', 'redis-server.service'], { timeout: aptTimeoutMs });
}
