import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parentDeathCommand } from '#libs/localservers';

const run = promisify(execFile);

/** Pins a process with all its threads; those it starts later inherit it. */
export async function pin(pid: number, core: number): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)]);
}

/** The command that runs `command` on one core, ended when this process dies. */
export function pinnedCommand(core: number, command: string, args: readonly string[]) {
  return parentDeathCommand('SIGTERM', 'taskset', ['--cpu-list', String(core), command, ...args]);
}
