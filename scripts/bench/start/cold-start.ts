import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../stack/index.ts';
import { RefusedError } from '../frame/suite.ts';
import { type Cores, pinnedCommand } from '../measure/pinning.ts';

/** For one start to come up, and again to end; then it is killed, and the benchmark ends with it. */
const readyMaxMs = 120_000;

/** What a person finds at the terminal. */
const program = [join(projectRoot, 'scripts', 'bootstrap.mjs'), 'start'];

export interface ColdStart {
  /** From the start of the process to its line `ready`, by the clock of who waits for it. */
  readonly seconds: number;
  /** What it says itself: `started in … s`. */
  readonly saidSeconds: number;
}

/**
 * One `npm start` on these cores with settings from the environment alone, ended by Ctrl-C as soon as it is ready.
 * @throws RefusedError when it had to build first; Error when it does not come up or does not end in order.
 */
export async function coldStart(cores: Cores, settings: Readonly<Record<string, string>>): Promise<ColdStart> {
  const { command, args } = pinnedCommand(cores, process.execPath, program);
  const { PATH = '', HOME = '/' } = process.env;
  const startedAtMs = performance.now();
  const child = spawn(command, args, {
    cwd: projectRoot,
    env: { PATH, HOME, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const killTimer = setTimeout(() => child.kill('SIGKILL'), readyMaxMs);
  let saidSeconds: number | undefined;
  let seconds: number | undefined;
  let isBuilt = true;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('building')) isBuilt = false;
    saidSeconds ??= numberIn(/^started in ([\d.]+) s$/, line);
    if (seconds !== undefined || !line.startsWith('ready http')) continue;
    seconds = (performance.now() - startedAtMs) / 1000;
    killTimer.refresh();
    child.kill('SIGINT');
  }
  clearTimeout(killTimer);
  const [code] = await ended;
  if (seconds === undefined || saidSeconds === undefined || code !== 0)
    throw new Error(
      `npm start ended with code ${code} and ${seconds === undefined ? 'was never' : 'after it was'} ready`,
    );
  if (!isBuilt) throw new RefusedError('it had to build first');
  return { seconds, saidSeconds };
}

function numberIn(pattern: RegExp, line: string): number | undefined {
  const text = pattern.exec(line)?.[1];
  return text === undefined ? undefined : Number(text);
}
