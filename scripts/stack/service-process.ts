import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import cluster from 'node:cluster';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openLog, parentDeathCommand, readLogTail } from '#libs/localservers';
import { nodeFlagsOf } from './node-flags.ts';
import { projectRoot } from './project-root.ts';

export type ServiceSpec = {
  name: string;
  app: string;
  env: Readonly<Record<string, string>>;
  logFile: string;
  /** Shares its port with others of its app: this process accepts the connections and hands them round. */
  isClustered: boolean;
  /** `/readyz` of the service. */
  readyUrl: string;
  /** How many requests, one after another, must find it ready: as many as processes share the port. */
  readyCount: number;
  say: (line: string) => void;
};

/** A handle to one service process of a stack: the same through all its restarts. */
export type StackProcess = {
  readonly name: string;
  /** Of the process that runs now, or ran last. */
  readonly pid: number;
  /** Resolves when it answers that it is ready; rejects after a minute and a half. */
  ready(): Promise<void>;
  /** SIGKILL; resolves when it is gone. The supervisor starts it again. */
  kill(): Promise<void>;
  /** Ends it in order and starts it again; resolves when it is ready. */
  restart(): Promise<void>;
};

const readyTimeoutMs = 90_000;
const readyPollMs = 50;
const requestTimeoutMs = 2_000;
/** A little more than the services give themselves (SHUTDOWN_TIMEOUT_MS). */
const stopExtraMs = 3_000;
const defaultStopMs = 15_000;
const killTimeoutMs = 10_000;
const backoffFirstMs = 100;
const backoffLastMs = 10_000;
/** A process that ran this long starts again with the first backoff. */
const settledAfterMs = 30_000;
const logTailBytes = 8_192;
const logTailLines = 20;

type Phase = 'idle' | 'starting' | 'running' | 'stopping' | 'ended';

/** Starts a service, starts it again when it dies, and ends it. */
export class ServiceProcess implements StackProcess {
  #phase: Phase = 'idle';
  #child: ChildProcess | undefined;
  #listens: () => boolean = () => false;
  #exited: Promise<void> = Promise.resolve();
  #startedAtMs = 0;
  #logFrom = 0;
  #backoffMs = backoffFirstMs;
  readonly #spec: ServiceSpec;

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves when it is ready. Rejects with its last words when it ends before that. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#phase = 'starting';
    await this.#launch();
    const failed = this.#exited.then(async () => {
      throw new Error(`${this.name} ended while starting:\n${await this.#lastWords()}`);
    });
    await Promise.race([this.#waitReady(signal), failed]);
    // The race may have left the start to a stop that came meanwhile.
    if (this.#phase === 'starting') this.#phase = 'running';
  }

  ready(): Promise<void> {
    return this.#waitReady();
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    if (await this.#within(killTimeoutMs)) return;
    throw new Error(`${this.name} (process ${this.pid}) did not end ${killTimeoutMs} ms after SIGKILL`);
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#phase = 'running';
    await this.#launch();
    await this.ready();
  }

  /** In order, at the latest by SIGKILL; it is not started again. */
  async stop(): Promise<void> {
    this.#phase = 'stopping';
    const child = this.#child;
    child?.kill('SIGTERM');
    const stopMs = Number(this.#spec.env['SHUTDOWN_TIMEOUT_MS'] ?? defaultStopMs) + stopExtraMs;
    if (!(await this.#within(stopMs))) {
      this.#spec.say(`${this.name} does not end in order: killed`);
      await this.kill();
    }
    this.#phase = 'ended';
  }

  /** Without a word or a wait, for the end of the supervisor itself. */
  killNow(): void {
    this.#phase = 'ended';
    this.#child?.kill('SIGKILL');
  }

  async #launch(): Promise<void> {
    const { app, logFile, isClustered } = this.#spec;
    const program = join(projectRoot, 'dist', 'apps', app, 'src', 'main.js');
    if (!existsSync(program)) throw new Error(`${program} is missing: build first (npm run build)`);
    const log = await openLog(logFile);
    try {
      // A stop may have come since the decision to launch.
      if (this.#phase !== 'starting' && this.#phase !== 'running') return;
      const { child, listens } = (isClustered ? forkClustered : forkAlone)(program, this.#spec, log.file.fd);
      this.#child = child;
      this.#listens = listens;
      this.#startedAtMs = Date.now();
      this.#logFrom = log.from;
      this.#exited = this.#exitOf(child);
    } finally {
      await log.file.close();
    }
  }

  /** Resolves at its end, or when it turns out that it was never started. */
  #exitOf(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => {
      const onEnd = (cause: string) => {
        if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) return;
        child.off('exit', onExit).off('error', onError);
        resolve();
        this.#onExit(cause);
      };
      const onExit = (code: number | null, signal: NodeJS.Signals | null) => onEnd(signal ?? `exit code ${code}`);
      const onError = (error: Error) => onEnd(error.message);
      child.on('exit', onExit).on('error', onError);
    });
  }

  #onExit(cause: string): void {
    if (this.#phase !== 'running') return;
    if (Date.now() - this.#startedAtMs > settledAfterMs) this.#backoffMs = backoffFirstMs;
    const waitMs = this.#backoffMs;
    this.#backoffMs = Math.min(this.#backoffMs * 2, backoffLastMs);
    this.#spec.say(`${this.name} ended (${cause}); starting it again in ${waitMs} ms (log: ${this.#spec.logFile})`);
    setTimeout(() => this.#startAgain(), waitMs);
  }

  #startAgain(): void {
    if (this.#phase !== 'running') return;
    this.#launch().catch((error: unknown) => {
      this.#spec.say(`${this.name} cannot be started again: ${String(error)}`);
      this.#onExit('not started');
    });
  }

  /** Behind a shared port another process may answer for one that is not there yet. */
  #isUp(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null && this.#listens();
  }

  /** The last lines of plain text, else of anything: a service that cannot start says why on standard error. */
  async #lastWords(): Promise<string> {
    const text = await readLogTail(this.#spec.logFile, this.#logFrom, logTailBytes);
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const plain = lines.filter((line) => !line.startsWith('{'));
    return (plain.length > 0 ? plain : lines).slice(-logTailLines).join('\n');
  }

  async #within(timeoutMs: number): Promise<boolean> {
    const timer = new AbortController();
    try {
      const late = delay(timeoutMs, false, { signal: timer.signal });
      return await Promise.race([this.#exited.then(() => true), late]);
    } finally {
      timer.abort();
    }
  }

  async #waitReady(signal?: AbortSignal): Promise<void> {
    const deadline = Date.now() + readyTimeoutMs;
    let found = 0;
    let said = 'nothing';
    while (found < this.#spec.readyCount) {
      signal?.throwIfAborted();
      if (this.#phase === 'stopping' || this.#phase === 'ended') return;
      if (Date.now() > deadline) throw new Error(`${this.name} is not ready after ${readyTimeoutMs} ms: ${said}`);
      said = this.#isUp() ? await askReady(this.#spec.readyUrl) : 'it does not listen';
      found = said === 'ok' ? found + 1 : 0;
      if (said !== 'ok') await delay(readyPollMs);
    }
  }
}

/** A connection of its own for each question, so that the processes behind one port are asked in turn. */
async function askReady(url: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(requestTimeoutMs);
    const answer = await fetch(url, { signal, headers: { connection: 'close' } });
    const text = await answer.text();
    return answer.ok ? 'ok' : text;
  } catch (error) {
    return error instanceof Error ? String(error.cause ?? error) : String(error);
  }
}

type Forked = { child: ChildProcess; listens: () => boolean };

function forkAlone(program: string, { app, env }: ServiceSpec, logFd: number): Forked {
  const { command, args } = parentDeathCommand('SIGTERM', process.execPath, []);
  const stdio: StdioOptions = ['ignore', logFd, logFd, 'ipc'];
  const execArgv = [...args, ...nodeFlagsOf(app, env)];
  return { child: fork(program, [], { env, execPath: command, execArgv, stdio }), listens: () => true };
}

/** node:cluster mixes the environment of this process into that of its workers: what they are not given is taken out again. */
function forkClustered(program: string, { app, env }: ServiceSpec, logFd: number): Forked {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: program,
    args: [],
    execArgv: nodeFlagsOf(app, env),
    stdio: ['ignore', logFd, logFd, 'ipc'],
  });
  const none = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  const worker = cluster.fork({ ...none, ...env });
  let listens = false;
  worker.on('listening', ({ port }) => {
    if (String(port) === env['PORT']) listens = true;
  });
  return { child: worker.process, listens: () => listens };
}
