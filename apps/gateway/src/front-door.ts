import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { problemOf } from '#libs/contracts';
import { answerCrossOrigin } from './process/cross-origin.ts';
import { closeAfter, prepareProblem, sendPrepared } from './process/raw-answer.ts';

/** All headers of a request: a full X-Shake-State has 6 KB, a session token up to 4 KB. */
const headerBytesMax = 16 * 1024;
/** The longest address we serve is a share token or receipt in a short path. */
const urlCharsMax = 1024;
/** Slow clients: headers, then the whole request, must be here in this time. */
const headersTimeoutMs = 5000;
const requestTimeoutMs = 10_000;
/** How often connections are looked at for the two above. */
const connectionsCheckMs = 1000;
/** An idle connection is kept this long: longer than the usual proxy's 60 s, so that the proxy closes first. */
const keepAliveTimeoutMs = 65_000;
/** A socket that moves no byte in the middle of a request or answer is closed. */
const socketIdleTimeoutMs = 30_000;
/** Open connections, about 10 KB each; more are refused by the kernel's queue and then by us. */
const connectionsMax = 60_000;
/** What is answered last has this long to leave before the connections that remain are cut. */
const lastBytesMs = 250;

const urlTooLong = prepareProblem(problemOf('bad_request', `the address is longer than ${urlCharsMax} characters`));

/** Answers a request before the router; false: it is the router's. */
export type FrontHandler = (request: IncomingMessage, response: ServerResponse) => boolean;
type RouterHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** The HTTP server: its limits, the routes that stand in front of the router, and its end. */
export class FrontDoor {
  private server: Server | undefined;
  private frontHandler: FrontHandler = () => false;
  private isDraining = false;
  /** Answers that the router owes. */
  private readonly underWay = new Set<ServerResponse>();
  private whenQuiet: (() => void) | undefined;

  /** For Fastify's `serverFactory`. */
  readonly createServer = (router: RouterHandler): Server => {
    const server = createServer(
      {
        maxHeaderSize: headerBytesMax,
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        connectionsCheckingInterval: connectionsCheckMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        noDelay: true,
      },
      (request, response) => this.handle(request, response, router),
    );
    server.maxConnections = connectionsMax;
    server.timeout = socketIdleTimeoutMs;
    this.server = server;
    return server;
  };

  /** Sets what is answered in front of the router. */
  serve(frontHandler: FrontHandler): void {
    this.frontHandler = frontHandler;
  }

  /** Accepts no more connections; every answer from now on ends its own. */
  beginDrain(): void {
    this.isDraining = true;
    for (const response of this.underWay) closeAfter(response);
    if (this.server?.listening) this.server.close();
  }

  /** Resolves when every request was answered and every connection is closed. */
  async drain(): Promise<void> {
    this.beginDrain();
    if (this.underWay.size > 0) await new Promise<void>((resolve) => (this.whenQuiet = resolve));
    await new Promise((resolve) => setTimeout(resolve, lastBytesMs));
    this.server?.closeAllConnections();
  }

  private handle(request: IncomingMessage, response: ServerResponse, router: RouterHandler): void {
    if (this.isDraining) closeAfter(response);
    if (request.url!.length > urlCharsMax) {
      sendPrepared(response, urlTooLong);
      return;
    }
    if (answerCrossOrigin(request, response) || this.frontHandler(request, response)) return;
    this.underWay.add(response);
    response.once('close', () => {
      this.underWay.delete(response);
      if (this.underWay.size === 0) this.whenQuiet?.();
    });
    router(request, response);
  }
}
