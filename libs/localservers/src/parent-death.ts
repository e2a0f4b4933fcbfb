import { existsSync } from 'node:fs';

const setprivPath = '/usr/bin/setpriv';

/**
 * The command that runs `command` so that it gets `signal` when the process that starts it dies, however that dies. Linux with
 * util-linux only; elsewhere it is the command itself, and what stays behind is found by the next start.
 */
export function parentDeathCommand(
  signal: 'SIGINT' | 'SIGTERM',
  command: string,
  args: readonly string[],
): { command: string; args: string[] } {
  if (!existsSync(setprivPath)) return { command, args: [...args] };
  return { command: setprivPath, args: ['--pdeathsig', signal.slice('SIG'.length), '--', command, ...args] };
}
