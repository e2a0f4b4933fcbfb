import { readFile } from 'node:fs/promises';
import { cpuTimesOf } from '../frame/proc-parse.ts';
import type { Figures } from '../frame/suite.ts';
import { microsPerTick, treeMicrosOf } from './process-usage.ts';
import { rounded } from './statistics.ts';

/** Processes by who they are. */
export type ProcessGroups = Readonly<Record<string, readonly number[]>>;

export interface CpuReading {
  readonly atMs: number;
  /** What the cores were busy with, whoever it was. */
  readonly busyMicros: number;
  readonly microsOf: Readonly<Record<string, number>>;
}

export interface CpuSplit {
  /** Cores that each group had, on average: 1 is one whole core. */
  readonly coresOf: Readonly<Record<string, number>>;
  /** Cores that nobody of the groups had and that were busy all the same: the kernel's own work, and other programs. */
  readonly othersCores: number;
  readonly seconds: number;
}

export async function readCpu(groups: ProcessGroups, cores: readonly number[]): Promise<CpuReading> {
  const atMs = performance.now();
  const [stat, micros] = await Promise.all([
    readFile('/proc/stat', 'utf8'),
    Promise.all(
      Object.values(groups).map(async (pids) => {
        const each = await Promise.all(pids.map(treeMicrosOf));
        return each.reduce((sum, one) => sum + one, 0);
      }),
    ),
  ]);
  return {
    atMs,
    busyMicros: cpuTimesOf(stat, cores).busy * microsPerTick,
    microsOf: Object.fromEntries(Object.keys(groups).map((name, at) => [name, micros[at]!])),
  };
}

/** Who had the cores between two readings of the same groups. */
export function splitBetween(before: CpuReading, after: CpuReading): CpuSplit {
  const micros = (after.atMs - before.atMs) * 1000;
  const coresOf = Object.fromEntries(
    Object.entries(after.microsOf).map(([name, all]) => [name, (all - (before.microsOf[name] ?? 0)) / micros]),
  );
  const ours = Object.values(coresOf).reduce((sum, cores) => sum + cores, 0);
  const busy = (after.busyMicros - before.busyMicros) / micros;
  return { coresOf, othersCores: Math.max(0, busy - ours), seconds: micros / 1e6 };
}

/** Microseconds of CPU that each group spent for one of `perSecond` things, and the cores that it had. */
export function splitFigures({ coresOf, othersCores }: CpuSplit, perSecond: number): Figures {
  const each = (cores: number) => ({ cores: rounded(cores), microsEach: rounded((cores * 1e6) / perSecond) });
  return {
    ...Object.fromEntries(Object.entries(coresOf).map(([name, cores]) => [name, each(cores)])),
    others: each(othersCores),
  };
}
