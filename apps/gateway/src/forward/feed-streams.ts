import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

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

/** The feeds that are passed through right now. A reader that is too slow is dropped by the service at the other end. */
export class FeedStreams {
  private readonly sources = new Set<Readable>();
  private isClosed = false;

  get size(): number {
    return this.sources.size;
  }

  /** Passes the source on until either end closes. Who asks for the head alone gets it, and no stream. */
  async pass(source: Readable, reply: StreamReply): Promise<void> {
    reply.hijack();
    reply.raw.writeHead(200, headers);
    if (reply.raw.req.method === 'HEAD') {
      source.destroy();
      reply.raw.end();
      return;
    }
    if (this.isClosed) source.destroy();
    this.sources.add(source);
    try {
      await pipeline(source, reply.raw);
    } catch {
      // a reader that went, or a service that did: the stream ends, and a reader that is left asks again
      reply.raw.destroy();
    } finally {
      this.sources.delete(source);
    }
  }

  /** Ends all of them: they would keep the server from closing. */
  close(): void {
    this.isClosed = true;
    for (const source of this.sources) source.destroy();
  }
}
