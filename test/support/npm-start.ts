import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/stack/index.ts';
import { until } from './http.ts';

const startTimeoutMs = 90_000;

/** `npm start` as a person runs it: a process of its own with settings from the environment alone. */
export class NpmStart {
  output = '';
  errors = '';
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly child: ChildProcess;

  constructor(settings: Readonly<Record<string, string>>) {
    const { PATH = '', HOME = '/' } = process.env;
    this.child = spawn(process.execPath, [join(projectRoot, 'scripts', 'bootstrap.mjs'), 'start'], {
      cwd: projectRoot,
      env: { PATH, HOME, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The first group of the first match in what it has printed, as soon as it is there. Fails when it ends without it. */
  async printed(pattern: RegExp): Promise<string> {
    let hasEnded = false;
    void this.ended.then(() => {
      hasEnded = true;
    });
    await until(
      `${pattern} in the output of npm start`,
      async () => this.output,
      (output) => hasEnded || pattern.test(output),
      startTimeoutMs,
    );
    const match = pattern.exec(this.output);
    if (match === null) throw new Error(`npm start ended without ${pattern}:\n${this.output}\n${this.errors}`);
    return match[1] ?? match[0];
  }

  /** Resolves when the whole system is up. */
  async ready(): Promise<void> {
    await this.printed(/^ready http.*$/m);
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** The running processes that this one started itself, by the table of processes. */
export function childrenOf(pid: number): number[] {
  const children = allProcesses().filter(({ parent }) => parent === pid);
  return children.map((child) => child.pid);
}

/** Those, and the ones that they started. */
export function processesBelow(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...processesBelow(child)]);
}

/** Those of these processes that still run. */
export function stillRunning(pids: readonly number[]): number[] {
  const running = new Set(allProcesses().map(({ pid }) => pid));
  return pids.filter((pid) => running.has(pid));
}

function allProcesses(): { pid: number; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .map((pid) => ({ pid, stat: statOf(pid) }))
    .filter(({ stat }) => stat !== undefined && stat[0] !== 'Z')
    .map(({ pid, stat }) => ({ pid, parent: Number(stat?.[1]) }));
}

/** State, parent and so on; undefined when it ended meanwhile. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return undefined;
    throw error;
  }
}
