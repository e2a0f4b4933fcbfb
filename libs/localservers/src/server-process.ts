import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { openLog, readLogTail } from './log-file.ts';
import { parentDeathCommand } from './parent-death.ts';

/** How a server process ended; `expected` when this process asked for it. */
export type ServerExit = { code: number | null; signal: NodeJS.Signals | null; expected: boolean };

/** What to run and how to see that it is up and how to end it. */
export type ServerSpec = {
  /** For messages: `PostgreSQL`. */
  name: string;
  command: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  /** The unprivileged user to run as; absent: the user of this process. */
  identity?: { uid: number; gid: number } | undefined;
  logFile: string;
  /** Sent in this order, one after each `stopTimeoutMs`; SIGKILL follows. The first is also sent when this process dies. */
  stopSignals: readonly ['SIGINT' | 'SIGTERM', ...NodeJS.Signals[]];
  stopTimeoutMs: number;
  startTimeoutMs: number;
  isReady: (pid: number) => Promise<boolean>;
};

const pollMs = 15;
const killTimeoutMs = 10_000;
const logTailBytes = 2_000;

/** A server that did not come up; `log` is the end of what it wrote. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  constructor(
    message: string,
    readonly log: string,
  ) {
    super(log === '' ? message : `${message}; its last words:\n${log}`);
  }
}

/** One run of a server. It is a process group of its own, so that a Ctrl-C in the terminal reaches only its supervisor. */
export class ServerProcess {
  #expected = false;
  #ended: ServerExit | undefined;
  readonly #listeners: ((exit: ServerExit) => void)[] = [];
  constructor(
    private readonly spec: ServerSpec,
    private readonly child: ChildProcess,
    readonly pid: number,
    private readonly logFrom: number,
  ) {
    child.once('exit', (code, signal) => {
      this.#ended = { code, signal, expected: this.#expected };
      for (const listener of this.#listeners) listener(this.#ended);
    });
  }

  /** Resolves when the server is ready. Throws {@link ServerStartError} when it ended or was not ready in time. */
  static async start(spec: ServerSpec): Promise<ServerProcess> {
    const server = await spawnServer(spec);
    const deadline = Date.now() + spec.startTimeoutMs;
    while (!(await spec.isReady(server.pid))) {
      if (server.#ended !== undefined) {
        throw new ServerStartError(`${spec.name} ended while starting`, await server.#lastWords());
      }
      if (Date.now() > deadline) {
        await server.kill();
        throw new ServerStartError(
          `${spec.name} was not ready in ${spec.startTimeoutMs} ms`,
          await server.#lastWords(),
        );
      }
      await delay(pollMs);
    }
    return server;
  }

  onExit(listener: (exit: ServerExit) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends it in order, with SIGKILL as the last word. */
  async stop(): Promise<void> {
    this.#expected = true;
    if (this.#ended !== undefined) return;
    for (const signal of this.spec.stopSignals) {
      this.child.kill(signal);
      if (await this.#endsWithin(this.spec.stopTimeoutMs)) return;
    }
    await this.kill();
  }

  async kill(): Promise<void> {
    this.killNow();
    if (await this.#endsWithin(killTimeoutMs)) return;
    throw new Error(`${this.spec.name} (process ${this.pid}) did not end ${killTimeoutMs} ms after SIGKILL`);
  }

  killNow(): void {
    this.#expected = true;
    this.child.kill('SIGKILL');
  }

  #lastWords(): Promise<string> {
    return readLogTail(this.spec.logFile, this.logFrom, logTailBytes);
  }

  async #endsWithin(timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while (this.#ended === undefined && Date.now() < deadline) await delay(pollMs);
    return this.#ended !== undefined;
  }
}

async function spawnServer(spec: ServerSpec): Promise<ServerProcess> {
  const log = await openLog(spec.logFile);
  try {
    const { command, args } = parentDeathCommand(spec.stopSignals[0], spec.command, spec.args);
    const child = spawn(command, args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ['ignore', log.file.fd, log.file.fd],
      ...spec.identity,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(new Error(`${spec.name} cannot be run: ${command}`, { cause })));
    });
    if (child.pid === undefined) throw new Error(`${spec.name} has no process id`);
    return new ServerProcess(spec, child, child.pid, log.from);
  } finally {
    await log.file.close();
  }
}
