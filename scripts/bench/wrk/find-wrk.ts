import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const installTimeoutMs = 300_000;
const advice = 'install Debian\'s package "wrk" (apt-get install wrk)';

/** The path of wrk: from the PATH, else Debian's package is installed where this process may do that. Throws with what to do otherwise. */
export async function findWrk(say: (line: string) => void): Promise<string> {
  const found = onPath('wrk');
  if (found !== undefined) return found;
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined)
    throw new Error(`There is no wrk on the PATH: ${advice}`);
  say("There is no wrk on the PATH: installing Debian's package");
  try {
    await aptGet('update', '--quiet');
    await aptGet('install', '--yes', '--quiet', '--no-install-recommends', 'wrk');
  } catch (cause) {
    throw new Error(`There is no wrk on the PATH and apt-get could not install it: ${advice}`, { cause });
  }
  const installed = onPath('wrk');
  if (installed === undefined) throw new Error(`Debian's package left no wrk on the PATH: ${advice}`);
  return installed;
}

/** Waits for another apt-get rather than failing beside it. */
async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  await run('apt-get', ['-o', 'DPkg::Lock::Timeout=240', ...args], { env, timeout: installTimeoutMs });
}

function onPath(name: string): string | undefined {
  // A bare environment may lack the folders that programs are in.
  const dirs = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin'];
  return dirs
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
