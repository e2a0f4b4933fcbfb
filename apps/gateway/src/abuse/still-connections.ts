import type { Socket } from 'node:net';

/** What is needed of a socket. */
export type WatchedSocket = Pick<Socket, 'bytesRead' | 'bytesWritten' | 'writableLength' | 'destroy'>;

/** What is remembered of a connection from one look to the next. */
export interface Watch {
  movedBytes: number;
  /** Looks in a row at which it had moved nothing. */
  stillLooks: number;
}

/** As one that will be found to have moved at the first look. */
export const newWatch = (): Watch => ({ movedBytes: -1, stillLooks: 0 });

/** How often `sweep` is to be called; each looks at a part of the connections. */
export const sweepMs = 1000;
const sweepParts = 5;
/** Each connection is looked at once in this time. */
const lookMs = sweepParts * sweepMs;
/** An idle connection is kept this long: longer than the usual proxy's 60 s, so that the proxy closes first. */
export const idleMaxMs = 65_000;
/** One whose client does not take its answer is kept this long. */
export const stalledMaxMs = 30_000;

/**
 * Closes connections that lie still. node:http would do it with a timer per connection, set anew at the beginning and at the end of each
 * request, for a tenth of what the whole answer costs (docs/engineering-notes.md). Here a request does nothing for it: every five
 * seconds a connection is looked at, whether a byte was moved. Looks are counted rather than time, so that a process that was stopped for
 * a while does not close everybody when it goes on. Requests that come too slowly are not its business: those are node's
 * `headersTimeout` and `requestTimeout`.
 */
export class StillConnections<S extends WatchedSocket> {
  private round: Iterator<[S, Watch], undefined>;
  private part = 0;
  /** Connections that were closed. */
  closed = 0;

  /** @param open the connections that are watched; whoever opens and closes them keeps it. */
  constructor(private readonly open: ReadonlyMap<S, Watch>) {
    this.round = open.entries();
  }

  /** Looks at a fifth of the connections; the last fifth of a round at all that are left. */
  sweep(): void {
    if (this.part === 0) this.round = this.open.entries();
    this.part = (this.part + 1) % sweepParts;
    let looks = this.part === 0 ? Number.POSITIVE_INFINITY : Math.ceil(this.open.size / sweepParts);
    for (; looks > 0; looks--) {
      const { value } = this.round.next();
      if (value === undefined) return;
      this.look(...value);
    }
  }

  private look(socket: S, watch: Watch): void {
    const movedBytes = socket.bytesRead + socket.bytesWritten;
    watch.stillLooks = movedBytes === watch.movedBytes ? watch.stillLooks + 1 : 0;
    watch.movedBytes = movedBytes;
    const stillMs = watch.stillLooks * lookMs;
    if (stillMs < (socket.writableLength > 0 ? stalledMaxMs : idleMaxMs)) return;
    this.closed += 1;
    socket.destroy();
  }
}
