import { readdir, readFile } from 'node:fs/promises';
import { peakBytesOf, ranMicrosOf, residentBytesOf } from '../frame/proc-parse.ts';

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

/** Resident memory of a process, in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return residentBytesOf(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** The most that it ever held. */
export async function peakBytes(pid: number): Promise<number> {
  return peakBytesOf(await readFile(`/proc/${pid}/status`, 'utf8'));
}

export const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
