import { readdir, readFile } from 'node:fs/promises';
import { peakBytesOf, ranMicrosOf, reapedTicksOf, residentBytesOf } from '../frame/proc-parse.ts';

/** /proc counts time in hundredths of a second, on every Linux that Node runs on. */
export const microsPerTick = 10_000;

/**
 * CPU time of these processes since their start, all threads, in microseconds. From the scheduler's own accounts: utime and stime of
 * /proc/<pid>/stat come in hundredths of a second.
 */
export async function cpuMicrosOf(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map(cpuMicrosOfOne));
  return each.reduce((sum, micros) => sum + micros, 0);
}

async function cpuMicrosOfOne(pid: number): Promise<number> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const ran = await Promise.all(
    tasks.map(async (task) => ranMicrosOf(await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8'))),
  );
  return ran.reduce((sum, micros) => sum + micros, 0);
}

/** CPU time of a process, of all that descend from it, and of its own children that have ended, in microseconds. */
export async function treeMicrosOf(pid: number): Promise<number> {
  const [own, reaped, children] = await Promise.all([
    cpuMicrosOfOne(pid),
    readFile(`/proc/${pid}/stat`, 'utf8').then((stat) => reapedTicksOf(stat) * microsPerTick),
    childrenOf(pid),
  ]);
  // one that ends meanwhile is among the reaped next time
  const below = await Promise.all(children.map((child) => treeMicrosOf(child).catch(() => 0)));
  return below.reduce((sum, micros) => sum + micros, own + reaped);
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return lists.flatMap((list) => list.split(' ').filter((text) => text !== '')).map(Number);
}

/** Resident memory of a process, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return residentBytesOf(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** The most that it ever held. */
export async function peakBytes(pid: number): Promise<number> {
  return peakBytesOf(await readFile(`/proc/${pid}/status`, 'utf8'));
}

export const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
