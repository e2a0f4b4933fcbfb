import { type AddressInfo, Server } from 'node:net';

/**
 * Connections that wait to be accepted. A process that is asked for too much accepts few of them: who would wait for longer than a client
 * has patience is better told by the kernel to try again.
 */
export const connectionsWaitingMax = 256;
/** A door that was shut is opened for so many at least. */
export const roomMin = 8;
/**
 * And it stays shut for so long: to listen again the kernel looks for a conflict among all connections of the port (measured: 0.1 ms with a
 * thousand, 2.2 ms with ten thousand; a process that let in a few at a time took a sixth of its time for it).
 */
export const shutMinMs = 1000;

/**
 * Whether a server listens. Node accepts whoever comes and can only hang up on them, which costs a fifth of a shake each; while nobody
 * listens the kernel refuses them, for nothing and at once. (Measured with the suite `overload`: five thousand connections a second that
 * were accepted to be closed took half of what a process had.) Connections that are there do not notice.
 */
export class DoorLatch {
  /** How often it was shut since the start. */
  shutCount = 0;
  private address: AddressInfo | undefined;
  private isShut = false;
  private shutAtMs = 0;
  private isOver = false;
  private hasFailed = false;

  /**
   * @param connections those that are open.
   * @param onFailed told once when it cannot listen again; it goes on trying.
   * @param nowMs monotonic.
   */
  constructor(
    private readonly server: Server,
    private readonly connections: () => number,
    private readonly onFailed: (error: Error) => void = () => undefined,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    // more came than there is room for since the last look: those behind them are the kernel's
    server.on('drop', () => {
      if (!this.isShut && !this.isOver) this.shut();
    });
  }

  /** At most `count` connections from now on: shut when there are as many, open when there is room and it was shut for a while. */
  limit(count: number): void {
    if (this.isOver) return;
    const room = count - this.connections();
    if (this.isShut) {
      if (room >= roomMin && this.nowMs() - this.shutAtMs >= shutMinMs) this.open();
    } else if (room <= 0) this.shut();
  }

  /** True while nobody listens because of `limit`. */
  get isClosed(): boolean {
    return this.isShut;
  }

  /** It is not opened any more. */
  remainShut(): void {
    this.isOver = true;
  }

  private shut(): void {
    const address = this.server.address();
    // not listening (yet, or any more), or at a pipe
    if (address === null || typeof address === 'string') return;
    this.address = address;
    this.isShut = true;
    this.shutCount += 1;
    this.shutAtMs = this.nowMs();
    this.stopListening();
  }

  private open(): void {
    this.isShut = false;
    const { port, address: host } = this.address!;
    const onListening = (): void => {
      this.server.off('error', onError);
      this.hasFailed = false;
      if (this.isOver) this.stopListening();
    };
    // whoever took the port meanwhile: it is tried again at the next step
    const onError = (error: Error): void => {
      this.server.off('listening', onListening);
      this.isShut = true;
      if (!this.hasFailed) this.onFailed(error);
      this.hasFailed = true;
    };
    this.server.once('error', onError).once('listening', onListening);
    this.server.listen({ port, host, backlog: connectionsWaitingMax });
  }

  /** As `net.Server` does it; that of HTTP closes idle connections too. */
  private stopListening(): void {
    Server.prototype.close.call(this.server);
  }
}
