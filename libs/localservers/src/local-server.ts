import { setTimeout as delay } from 'node:timers/promises';
import { type ServerExit, ServerProcess, type ServerSpec, ServerStartError } from './server-process.ts';

/** A PostgreSQL or Redis server on 127.0.0.1 that this process started and can stop, kill and start again. */
export type LocalServer = {
  /** With user and password: use it whole. */
  readonly url: string;
  readonly port: number;
  /** Of the running server; another one after a restart. */
  readonly pid: number;
  /** In order, at the latest by SIGKILL after a timeout. A stopped server may be started again by `restart`. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGKILL without a wait, for the end of this process. */
  killNow(): void;
  /** False from the call of `stop` or `kill` until the next `restart`. */
  readonly isWanted: boolean;
  /** Stops it when it runs, and starts it on the same port and data. */
  restart(): Promise<void>;
  /** Calls the listener at each end of the server; gives back the function that ends the listening. */
  onExit(listener: (exit: ServerExit) => void): () => void;
};

export type Launch = {
  spec: ServerSpec;
  url: string;
  port: number;
  /** Run before each start: ends what an earlier run left behind on the same data. */
  takeOver: () => Promise<void>;
  /** Is this failed start worth another attempt: an end that is still being tidied up? */
  isPassing: (log: string) => boolean;
};

const restartAttemptsMax = 40;
const restartDelayMs = 250;

/** Starts a server and gives its handle. Throws {@link ServerStartError} when it does not come up. */
export async function startLocalServer(launch: Launch): Promise<LocalServer> {
  const listeners = new Set<(exit: ServerExit) => void>();
  let isWanted = true;
  let server = await start();
  let turn: Promise<unknown> = Promise.resolve();

  async function start(): Promise<ServerProcess> {
    await launch.takeOver();
    const started = await startPatiently(launch);
    started.onExit((exit) => {
      for (const listener of listeners) listener(exit);
    });
    return started;
  }

  /** One after another: a stop that comes during a restart ends what that brings up. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const next = turn.then(work, work);
    turn = next.catch(() => undefined);
    return next;
  }

  function end(how: 'stop' | 'kill'): Promise<void> {
    isWanted = false;
    return inTurn(async () => await server[how]());
  }

  return {
    url: launch.url,
    port: launch.port,
    get pid() {
      return server.pid;
    },
    get isWanted() {
      return isWanted;
    },
    stop: () => end('stop'),
    kill: () => end('kill'),
    killNow: () => {
      isWanted = false;
      server.killNow();
    },
    restart: () => {
      isWanted = true;
      return inTurn(async () => {
        await server.stop();
        server = await start();
      });
    },
    onExit: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function startPatiently(launch: Launch): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ServerProcess.start(launch.spec);
    } catch (error) {
      const passing = error instanceof ServerStartError && launch.isPassing(error.log);
      if (!passing || attempt === restartAttemptsMax) throw error;
      await delay(restartDelayMs);
    }
  }
}
