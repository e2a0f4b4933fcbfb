import { on, once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** A connection to oneself takes no time, unless the process is very busy. */
const openMaxMs = 5000;

/** Under way at once: one is sent before another has come, so that it shows how the wait grows. */
const pairsCount = 8;

/** What the process's own bytes tell. Times are monotonic milliseconds. */
export interface ProbeLook {
  /** What a request waits in its socket until it is read: the longer of what the last one waited and what the first unread one has by now. */
  readonly readWaitMs: number;
  /** When the last that was read was sent, and what was counted when it was read. */
  readonly ownSentAtMs: number;
  readonly readBefore: number;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Undefined: nothing is under way on it. */
  sentAtMs: number | undefined;
}

/**
 * How long what is ready waits until the event loop comes to it: a byte over a connection to oneself is read in turn with all sockets that
 * are ready (the kernel keeps them in the order in which they became so), so it waits as long as a request that comes at the same time.
 * Timers do not tell that: the loop looks at them between two rounds of sockets, while thousands may still wait for theirs. Neither does a
 * message to oneself: all of them, and those of the collection of garbage, share one place in that order.
 */
export class ReadyProbe {
  /** Of the one that came last: when it was sent, how long it waited, and what was counted when it came. */
  private last = { sinceMs: Number.NEGATIVE_INFINITY, waitMs: 0, count: 0 };

  private constructor(
    private readonly pairs: readonly Pair[],
    private readonly counted: () => number,
  ) {
    for (const pair of pairs) {
      pair.far.on('data', () => this.came(pair));
      for (const socket of [pair.near, pair.far]) {
        socket.unref();
        socket.setNoDelay(true);
        // without one of them it does without the pair
        socket.on('error', () => undefined).once('close', () => endPair(pair));
      }
    }
  }

  /**
   * @param counted all that was read so far, of what is to be counted.
   * @throws when the process cannot connect to itself.
   */
  static async open(counted: () => number = () => 0): Promise<ReadyProbe> {
    const pairs: Pair[] = [];
    const server = createServer().listen(0, '127.0.0.1').unref();
    const signal = AbortSignal.timeout(openMaxMs);
    try {
      await once(server, 'listening', { signal });
      server.on('error', () => undefined);
      while (pairs.length < pairsCount) pairs.push(await connectPair(server, signal));
      return new ReadyProbe(pairs, counted);
    } catch (error) {
      for (const pair of pairs) endPair(pair);
      throw error;
    } finally {
      server.close();
    }
  }

  /** Sends one, unless as many are under way as may be. */
  send(): void {
    const pair = this.pairs.find(({ near, sentAtMs }) => sentAtMs === undefined && !near.destroyed);
    if (pair === undefined) return;
    pair.sentAtMs = performance.now();
    pair.near.write('.');
  }

  /** Monotonic milliseconds. */
  look(): ProbeLook {
    const unreadSinceMs = Math.min(...this.pairs.map(({ sentAtMs = Number.POSITIVE_INFINITY }) => sentAtMs));
    const unreadMs = performance.now() - unreadSinceMs;
    const { sinceMs, waitMs, count } = this.last;
    return { readWaitMs: Math.max(unreadMs, waitMs), ownSentAtMs: sinceMs, readBefore: count };
  }

  close(): void {
    for (const pair of this.pairs) endPair(pair);
  }

  private came(pair: Pair): void {
    if (pair.sentAtMs === undefined) return;
    this.last = { sinceMs: pair.sentAtMs, waitMs: performance.now() - pair.sentAtMs, count: this.counted() };
    pair.sentAtMs = undefined;
  }
}

async function connectPair(server: Server, signal: AbortSignal): Promise<Pair> {
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  // one that cannot be made is missed by the signal; without this it would end the process
  near.on('error', () => undefined);
  try {
    for await (const [far] of on(server, 'connection', { signal }) as AsyncIterable<[Socket]>) {
      if (far.remotePort === near.localPort) return { near, far, sentAtMs: undefined };
      // whoever else found the port in this moment
      far.destroy();
    }
    throw new Error('the server ended');
  } catch (error) {
    near.destroy();
    throw error;
  }
}

function endPair(pair: Pair): void {
  pair.near.destroy();
  pair.far.destroy();
  pair.sentAtMs = undefined;
}
