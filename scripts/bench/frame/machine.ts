import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, cpus, release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { coreListOf, cpuTimesOf } from './proc-parse.ts';

const run = promisify(execFile);
const busyLookMs = 1000;
const coresMin = 2;

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly arch: string;
  readonly kernel: string;
  readonly node: string;
  /** Cores that this process may use; servers are pinned to the first ones, whatever drives them to the last one. */
  readonly cores: readonly number[];
  readonly serverCores: readonly number[];
  readonly driverCore: number;
  /** Share of these cores that others used in the second before the first run: figures of a busy machine are worth little. */
  readonly busyBefore: number;
}

/** Looks at the machine. @throws Error that says what is missing when nothing can be measured here. */
export async function lookAtMachine(): Promise<Machine> {
  if (process.platform !== 'linux') throw new Error('The benchmarks need Linux: they pin processes and read /proc');
  const cores = coreListOf(await readFile('/proc/self/status', 'utf8'));
  if (cores.length < coresMin) {
    throw new Error(
      `The benchmarks need ${coresMin} cores, one for the servers and one for what drives them; this process may use ${cores.length}`,
    );
  }
  await checkTaskset();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    arch: arch(),
    kernel: release(),
    node: process.version,
    cores,
    serverCores: cores.slice(0, -1),
    driverCore: cores.at(-1)!,
    busyBefore: await busyShare(cores),
  };
}

async function checkTaskset(): Promise<void> {
  try {
    await run('taskset', ['--version']);
  } catch (cause) {
    throw new Error('The benchmarks need taskset on the PATH: install util-linux', { cause });
  }
}

async function busyShare(cores: readonly number[]): Promise<number> {
  const before = cpuTimesOf(await readFile('/proc/stat', 'utf8'), cores);
  await delay(busyLookMs);
  const after = cpuTimesOf(await readFile('/proc/stat', 'utf8'), cores);
  const total = after.total - before.total;
  return total === 0 ? 0 : Math.round((1000 * (after.busy - before.busy)) / total) / 1000;
}
