import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 200;
const waitMaxMs = 15 * 60_000;

/** Runs `work` while no other process installs or builds the same clone: waits for it, and takes over from a dead one. */
export async function withLock(root, work) {
  const path = join(tmpdir(), `hongbao-build-${createHash('sha256').update(root).digest('hex').slice(0, 12)}.lock`);
  const deadline = Date.now() + waitMaxMs;
  while (!take(path)) {
    if (Date.now() > deadline) throw new Error(`Another process has been building for ${waitMaxMs} ms: see ${path}`);
    await delay(pollMs);
  }
  const release = () => rmSync(path, { force: true });
  process.once('exit', release);
  try {
    return work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!isAlive(holderOf(path))) rmSync(path, { force: true });
    return false;
  }
}

/** Undefined: released meanwhile, or not yet written. */
function holderOf(path) {
  try {
    return Number(readFileSync(path, 'utf8')) || process.pid;
  } catch (error) {
    if (error.code === 'ENOENT') return process.pid;
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
