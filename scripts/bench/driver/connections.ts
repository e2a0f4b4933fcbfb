import { connect, type Socket } from 'node:net';
import { answerBounds, closesAfter } from './http-answer.ts';

/** More than a hit with a full client state. */
const readBytesMax = 32 * 1024;
const reconnectMs = 5;
const none = Buffer.alloc(0);

/** An answer is in `bytes`, which is used again when `onAnswer` returns. */
export type OnAnswer = (connection: number, bytes: Buffer, bodyAt: number) => void;

export interface ConnectionsOptions {
  readonly port: number;
  readonly count: number;
  readonly onAnswer: OnAnswer;
  /** A connection ended without the answer that it owed. */
  readonly onLost: (connection: number) => void;
}

type ConnectionState = 'connecting' | 'free' | 'owed' | 'ending';

/** A fixed number of keep-alive connections, each with one request under way at most. One that ends is made anew. */
export class Connections {
  /** Connections that were ended by the server and made anew. */
  closed = 0;
  private readonly sockets: Socket[] = [];
  private readonly states: ConnectionState[];
  /** Free ones, the longest unused first: all of them are used, as a crowd's would be. */
  private readonly free: number[] = [];
  private freeAt = 0;
  private connected = 0;
  private isEnding = false;
  private onConnected: () => void = () => undefined;

  constructor(private readonly options: ConnectionsOptions) {
    this.states = Array.from({ length: options.count }, () => 'connecting');
  }

  /** Resolves when all are there. */
  start(): Promise<void> {
    const { count } = this.options;
    return new Promise((resolve) => {
      this.onConnected = () => {
        if (this.connected >= count) resolve();
      };
      for (let connection = 0; connection < count; connection++) this.connect(connection);
    });
  }

  end(): void {
    this.isEnding = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Sends a request on a free connection, and tells which; undefined when none is. */
  send(request: string): number | undefined {
    const connection = this.takeFree();
    if (connection === undefined) return undefined;
    this.states[connection] = 'owed';
    this.sockets[connection]!.write(request, 'latin1');
    return connection;
  }

  /** True when `send` will find a connection. */
  get hasFree(): boolean {
    this.skipGone();
    return this.freeAt < this.free.length;
  }

  private takeFree(): number | undefined {
    if (!this.hasFree) return undefined;
    const connection = this.free[this.freeAt];
    this.freeAt += 1;
    if (this.freeAt >= this.options.count) {
      this.free.splice(0, this.freeAt);
      this.freeAt = 0;
    }
    return connection;
  }

  /** Connections that ended while they were free. */
  private skipGone(): void {
    while (this.freeAt < this.free.length && this.states[this.free[this.freeAt]!] !== 'free') this.freeAt += 1;
  }

  private release(connection: number): void {
    this.states[connection] = 'free';
    this.free.push(connection);
  }

  private connect(connection: number): void {
    const buffer = Buffer.allocUnsafe(readBytesMax);
    let kept: Buffer = none;
    const onRead = (count: number): boolean => {
      const read = buffer.subarray(0, count);
      const bytes = kept.length === 0 ? read : Buffer.concat([kept, read]);
      const bounds = answerBounds(bytes);
      kept = bounds === undefined ? Buffer.from(bytes) : none;
      if (bounds !== undefined) this.answered(connection, bytes, bounds.bodyAt);
      return true;
    };
    const { port } = this.options;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer, callback: onRead } });
    this.sockets[connection] = socket;
    socket.once('connect', () => {
      this.connected += 1;
      this.release(connection);
      this.onConnected();
    });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.ended(connection));
  }

  private answered(connection: number, bytes: Buffer, bodyAt: number): void {
    if (closesAfter(bytes, bodyAt)) this.states[connection] = 'ending';
    else this.release(connection);
    this.options.onAnswer(connection, bytes, bodyAt);
  }

  private ended(connection: number): void {
    if (this.isEnding) return;
    const isLost = this.states[connection] === 'owed';
    this.states[connection] = 'connecting';
    this.closed += 1;
    if (isLost) this.options.onLost(connection);
    setTimeout(() => (this.isEnding ? undefined : this.connect(connection)), reconnectMs);
  }
}
