import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { PinnedProgram } from './pinned-program.ts';

const groupsDir = '/sys/fs/cgroup';
/** The kernel gives a group its time in runs of at least a millisecond; the shorter the period, the smoother. */
const quotaMicrosMin = 1000;
const periodMicrosMin = 5000;
/** Each step of niceness is this factor of CPU time. */
const niceFactor = 1.25;
const niceMax = 19;

export interface CpuShareOptions {
  readonly pid: number;
  /** The core that it is pinned to. */
  readonly core: number;
  /** Part of a core that it may have. */
  readonly share: number;
  readonly logFile: string;
}

/** A process that gets a part of a core and no more. */
export interface CpuShare {
  /** How it is held to that, for the report. */
  readonly how: string;
  /** Ends it, also after the process has ended. */
  release(): Promise<void>;
}

/** Within its quota it goes before whoever else is on the core. By a cgroup's quota with a short period where this machine lets us, else by a process beside it that never rests. */
export async function holdToShare(options: CpuShareOptions): Promise<CpuShare> {
  const { share } = options;
  const period = Math.max(periodMicrosMin, Math.ceil(quotaMicrosMin / share));
  const quota = Math.round(period * share);
  const name = `hongbao-bench-${process.pid}-${options.pid}`;
  return (
    (await byGroupV1(options, name, quota, period)) ??
    (await byGroupV2(options, name, quota, period)) ??
    (await bySpinner(options))
  );
}

async function byGroupV1({ pid }: CpuShareOptions, name: string, quota: number, period: number) {
  const root = join(groupsDir, 'cpu');
  return await inGroup({
    how: `cgroup v1, ${quota} of each ${period} µs`,
    root,
    group: join(root, name),
    pid,
    settings: { 'cpu.cfs_period_us': String(period), 'cpu.cfs_quota_us': String(quota), 'cpu.shares': '262144' },
  });
}

async function byGroupV2({ pid }: CpuShareOptions, name: string, quota: number, period: number) {
  const controllers = await readFile(join(groupsDir, 'cgroup.subtree_control'), 'utf8').catch(() => '');
  if (!controllers.split(/\s/).includes('cpu')) return undefined;
  return await inGroup({
    how: `cgroup v2, ${quota} of each ${period} µs`,
    root: groupsDir,
    group: join(groupsDir, name),
    pid,
    settings: { 'cpu.max': `${quota} ${period}`, 'cpu.weight': '10000' },
  });
}

interface Group {
  readonly how: string;
  readonly root: string;
  readonly group: string;
  readonly pid: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** Undefined where this machine does not let us. */
async function inGroup({ how, root, group, pid, settings }: Group): Promise<CpuShare | undefined> {
  const release = async (): Promise<void> => {
    // gone when the process has ended
    await writeFile(join(root, 'cgroup.procs'), String(pid)).catch(() => undefined);
    await rmdir(group);
  };
  try {
    await mkdir(group);
  } catch {
    return undefined;
  }
  try {
    for (const [file, text] of Object.entries(settings)) await writeFile(join(group, file), text, { flag: 'r+' });
    await writeFile(join(group, 'cgroup.procs'), String(pid), { flag: 'r+' });
  } catch {
    await release();
    return undefined;
  }
  return { how, release };
}

/** Its neighbours on the core take from both alike. */
async function bySpinner({ pid, core, share, logFile }: CpuShareOptions): Promise<CpuShare> {
  const nice = Math.min(niceMax, Math.round(Math.log((1 - share) / share) / Math.log(niceFactor)));
  const spinner = await PinnedProgram.start({ program: 'variants/spinner.js', core, logFile });
  setPriority(pid, nice);
  return { how: `a spinner beside it, its own niceness ${nice}`, release: () => spinner.end() };
}
