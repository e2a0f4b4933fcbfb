import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parentDeathCommand } from '#libs/localservers';

const run = promisify(execFile);

/** One core, or any of several. */
export type Cores = number | readonly number[];

/** Pins a process with all its threads; those it starts later, and its children, inherit it. */
export async function pin(pid: number, cores: Cores): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', listOf(cores), String(pid)]);
}

/** The command that runs `command` on these cores, ended when this process dies. */
export function pinnedCommand(cores: Cores, command: string, args: readonly string[]) {
  return parentDeathCommand('SIGTERM', 'taskset', ['--cpu-list', listOf(cores), command, ...args]);
}

const listOf = (cores: Cores): string => [cores].flat().join(',');
