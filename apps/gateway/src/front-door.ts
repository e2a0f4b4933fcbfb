import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { problemOf } from '#libs/contracts';
import type { Doorkeeper } from './abuse/doorkeeper.ts';
import { sweepMs } from './abuse/still-connections.ts';
import { DoorLatch } from './admission/door-latch.ts';
import type { RequestGate } from './admission/request-gate.ts';
import { answerCrossOrigin } from './process/cross-origin.ts';
import { closeAfter, prepareProblem, sendPrepared } from './process/raw-answer.ts';
import { whenOver } from './process/when-over.ts';

/** All headers of a request: a full X-Shake-State has 6 KB, a session token up to 4 KB. */
const headerBytesMax = 16 * 1024;
/** The longest address we serve is a share token or receipt in a short path. */
const urlCharsMax = 1024;
/** Slow clients: headers, then the whole request, must be here in this time. */
const headersTimeoutMs = 5000;
const requestTimeoutMs = 10_000;
/** How often connections are looked at for the two above. */
const connectionsCheckMs = 1000;
/** Open connections, about 10 KB each; more are refused by the kernel's queue and then by us. */
const connectionsMax = 60_000;
/** What is answered last has this long to leave before the connections that remain are cut. */
const lastBytesMs = 250;

const urlTooLong = prepareProblem(problemOf('bad_request', `the address is longer than ${urlCharsMax} characters`));
const tooManySessions = prepareProblem(problemOf('overloaded', 'too many new sessions from this address'));

/** Answers a request before the router; false: it is the router's. */
export type FrontHandler = (request: IncomingMessage, response: ServerResponse) => boolean;
type RouterHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The HTTP server: its limits, the routes that stand in front of the router, and its end. What is done per request for every route is
 * here, so this is hot: whatever shakes do not need is in `route`.
 */
export class FrontDoor {
  private server: Server | undefined;
  private latch: DoorLatch | undefined;
  private sweeping: NodeJS.Timeout | undefined;
  private frontHandler: FrontHandler = () => false;
  private checkedHandler: FrontHandler = () => false;
  private isDraining = false;
  /** Answers that are owed by the router, or in its place. */
  private readonly underWay = new Set<ServerResponse>();
  private whenQuiet: (() => void) | undefined;

  constructor(
    private readonly doorkeeper: Doorkeeper,
    private readonly gate: Pick<RequestGate, 'letIn'>,
    /** Told once when nobody can listen any more after it was shut. */
    private readonly onDoorFailed: (error: Error) => void = () => undefined,
  ) {}

  /** For Fastify's `serverFactory`. */
  readonly createServer = (router: RouterHandler): Server => {
    const server = createServer(
      {
        maxHeaderSize: headerBytesMax,
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        connectionsCheckingInterval: connectionsCheckMs,
        // connections that lie still are closed by the doorkeeper's sweep, without a timer per request
        keepAliveTimeout: 0,
        noDelay: true,
      },
      (request, response) => this.handle(request, response, router),
    );
    server.maxConnections = connectionsMax;
    server.timeout = 0;
    server.on('connection', (socket: Socket) => this.enter(socket));
    this.sweeping = setInterval(() => this.doorkeeper.still.sweep(), sweepMs).unref();
    this.server = server;
    this.latch = new DoorLatch(server, () => this.doorkeeper.visitors.size, this.onDoorFailed);
    return server;
  };

  /** Sets what is answered in front of the router. */
  serve(frontHandler: FrontHandler): void {
    this.frontHandler = frontHandler;
  }

  /** Sets what is answered behind the checks that the router's requests pass, in its place. */
  serveChecked(checkedHandler: FrontHandler): void {
    this.checkedHandler = checkedHandler;
  }

  /** At most so many connections from now on; while there are as many nobody listens, and who slipped in is closed at once. */
  limitConnections(count: number): void {
    if (this.server === undefined) return;
    this.server.maxConnections = Math.min(Math.max(count, 1), connectionsMax);
    this.latch!.limit(count);
  }

  /** How often nobody listened for a while, since the start. */
  get shutCount(): number {
    return this.latch?.shutCount ?? 0;
  }

  /** Nobody listens just now, because there are as many connections as may be. */
  get isShut(): boolean {
    return this.latch?.isClosed ?? false;
  }

  /** Accepts no more connections; every answer from now on ends its own. */
  beginDrain(): void {
    this.isDraining = true;
    this.latch?.remainShut();
    for (const response of this.underWay) closeAfter(response);
    // also when nobody listens any more: idle connections are closed
    this.server?.close();
  }

  /** Resolves when every request was answered and every connection is closed. */
  async drain(): Promise<void> {
    this.beginDrain();
    if (this.underWay.size > 0) await new Promise<void>((resolve) => (this.whenQuiet = resolve));
    await new Promise((resolve) => setTimeout(resolve, lastBytesMs));
    this.server?.closeAllConnections();
    clearInterval(this.sweeping);
  }

  private enter(socket: Socket): void {
    if (this.doorkeeper.enter(socket)) socket.once('close', () => this.doorkeeper.leave(socket));
    else socket.destroy();
  }

  private handle(request: IncomingMessage, response: ServerResponse, router: RouterHandler): void {
    if (this.isDraining) closeAfter(response);
    if (request.url!.length > urlCharsMax) sendPrepared(response, urlTooLong);
    else if (!this.frontHandler(request, response)) this.route(request, response, router);
  }

  private route(request: IncomingMessage, response: ServerResponse, router: RouterHandler): void {
    if (answerCrossOrigin(request, response)) return;
    if (!this.doorkeeper.admitsSession(request)) {
      closeAfter(response);
      sendPrepared(response, tooManySessions);
      return;
    }
    if (!this.gate.letIn(request, response)) return;
    this.underWay.add(response);
    whenOver(response, () => {
      this.underWay.delete(response);
      if (response.statusCode === 401) this.doorkeeper.countFailedSession(request);
      if (this.underWay.size === 0) this.whenQuiet?.();
    });
    if (!this.checkedHandler(request, response)) router(request, response);
  }
}
