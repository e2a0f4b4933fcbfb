import type { ServerResponse } from 'node:http';
import { ProblemError } from './problem.ts';

export interface EventStreamsOptions {
  /** Streams open at once; one more is refused as `overloaded`. */
  readonly connectionsMax: number;
  /** Bytes that may wait for one slow reader; with more it is dropped. */
  readonly bufferBytesMax: number;
  /** A comment goes to every stream this often, so that dead connections are found and idle ones are kept. */
  readonly heartbeatMs: number;
}

/** A Fastify reply, as far as a stream needs it. */
export interface StreamReply {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // tells a proxy such as nginx not to collect the stream
  'x-accel-buffering': 'no',
};

/**
 * Server-sent events to many readers, in groups that get the same messages: a message is encoded once, a reader that is too slow
 * is dropped rather than waited for, and nobody can make this process keep more than
 * `connectionsMax × bufferBytesMax` bytes.
 */
export class EventStreams {
  private readonly groups = new Map<string, Set<ServerResponse>>();
  private count = 0;
  private isEnded = false;
  private readonly heartbeat: NodeJS.Timeout;

  constructor(private readonly options: EventStreamsOptions) {
    this.heartbeat = setInterval(() => this.writeToAll(comment), options.heartbeatMs);
    this.heartbeat.unref();
  }

  /** Streams open now, in one group or in all. */
  size(group?: string): number {
    return group === undefined ? this.count : (this.groups.get(group)?.size ?? 0);
  }

  /**
   * Turns the reply into a stream of its group. Who asks for the head alone gets it, and no stream.
   * @throws ProblemError `overloaded` when there are too many, or when this process is stopping.
   */
  open(reply: StreamReply, group: string): void {
    if (this.isEnded) throw new ProblemError('overloaded', 'this process is stopping');
    if (this.count >= this.options.connectionsMax) throw new ProblemError('overloaded', 'too many streams are open');
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, headers);
    if (response.req.method === 'HEAD') return void response.end();
    this.add(group, response);
    response.write(comment);
  }

  /** Sends one message, JSON in `data`, to every stream of the group. */
  send(group: string, data: unknown): void {
    const members = this.groups.get(group);
    if (members === undefined) return;
    const message = Buffer.from(messageOf(data));
    for (const response of members) this.write(response, message);
  }

  /** Ends every stream; new ones may be opened. */
  endAll(): void {
    for (const members of this.groups.values()) for (const response of members) response.end();
  }

  /** Ends every stream and refuses new ones. */
  close(): void {
    this.isEnded = true;
    clearInterval(this.heartbeat);
    this.endAll();
  }

  private add(group: string, response: ServerResponse): void {
    const members = this.groups.get(group) ?? new Set();
    this.groups.set(group, members.add(response));
    this.count += 1;
    response.on('error', () => response.destroy());
    response.once('close', () => {
      members.delete(response);
      this.count -= 1;
      if (members.size === 0 && this.groups.get(group) === members) this.groups.delete(group);
    });
  }

  private writeToAll(message: string): void {
    for (const members of this.groups.values()) for (const response of members) this.write(response, message);
  }

  private write(response: ServerResponse, message: string | Buffer): void {
    if (response.writableEnded || response.destroyed) return;
    if (response.writableLength > this.options.bufferBytesMax) response.destroy();
    else response.write(message);
  }
}

/** What a reader ignores. It goes out at once as well, so that whoever opened a stream sees that it is open. */
const comment = ': \n\n';

const messageOf = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
