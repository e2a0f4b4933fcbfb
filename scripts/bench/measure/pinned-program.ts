import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cores, pinnedCommand } from './pinning.ts';

const endMaxMs = 5000;

export interface ProgramOptions {
  /** Path below the folder of this tool, compiled: `driver/main.js`. */
  readonly program: string;
  readonly core: Cores;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** A Node program of this tool on a core of its own or on several, with a channel to it. It ends with this process. */
export class PinnedProgram {
  private readonly messages: unknown[] = [];
  private wake: () => void = () => undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
    private readonly logFile: string,
  ) {
    child.on('message', (message) => {
      this.messages.push(message);
      this.wake();
    });
    child.once('exit', () => this.wake());
  }

  static async start({ program, core, args = [], env = {}, logFile }: ProgramOptions): Promise<PinnedProgram> {
    const log = await open(logFile, 'a', 0o600);
    try {
      const { command, args: execArgv } = pinnedCommand(core, process.execPath, []);
      const path = join(import.meta.dirname, '..', program);
      const child = fork(path, args, {
        env: { PATH: process.env['PATH'], ...env },
        execPath: command,
        execArgv,
        stdio: ['ignore', log.fd, log.fd, 'ipc'],
      });
      return new PinnedProgram(child, program, logFile);
    } finally {
      await log.close();
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The next message. Rejects when the program has ended without one, and when `signal` says so. */
  async nextMessage<Message>(signal: AbortSignal): Promise<Message> {
    const onAbort = (): void => this.wake();
    signal.addEventListener('abort', onAbort);
    try {
      for (;;) {
        if (this.messages.length > 0) return this.messages.shift() as Message;
        signal.throwIfAborted();
        if (this.hasEnded) throw new Error(`${this.name} ended (${this.child.exitCode}), see ${this.logFile}`);
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Nothing when it has ended. */
  tell(message: object): void {
    if (this.child.connected) this.child.send(message);
  }

  async end(): Promise<void> {
    if (this.hasEnded) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const killing = setTimeout(() => this.child.kill('SIGKILL'), endMaxMs);
    await exited;
    clearTimeout(killing);
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}
