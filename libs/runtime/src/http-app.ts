import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { docsPage, openApiDocument, problemOf, type RouteDefinition } from '#libs/contracts';
import { type Logger, nestLogger } from './logger.ts';
import { ProblemError, ProblemFilter, problemFrom, sendProblem } from './problem.ts';

export interface HttpAppOptions {
  readonly module: Type | DynamicModule;
  readonly logger: Logger;
  readonly bodyBytesMax: number;
  /** Served at /openapi.json and /docs when given. */
  readonly document?: { readonly title: string; readonly version: string; readonly routes: readonly RouteDefinition[] };
  readonly fastify?: Partial<FastifyHttpOptions<Server>>;
}

/** Longest a client may take to send one whole request. */
const requestTimeoutMs = 10_000;
/** Idle keep-alive connections are closed after this; longer than the usual proxy's 60 s, so that the proxy closes first. */
const keepAliveTimeoutMs = 65_000;
const connectionTimeoutMs = 30_000;
/** Longest path parameter: a share token. */
const paramCharsMax = 256;

const closedUnanswered: ReadonlySet<string> = new Set(['ECONNRESET', 'ERR_HTTP_REQUEST_TIMEOUT']);

/** Any body is read as JSON whatever its media type says: a body that is not JSON is a `bad_request`, an empty one is absent. */
function readBodiesAsJson(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    if (body === '') return done(null, undefined);
    try {
      done(null, JSON.parse(body as string));
    } catch (cause) {
      done(new ProblemError('bad_request', 'the body is not JSON', {}, { cause }));
    }
  });
}

/**
 * Answers what is no HTTP, or has headers over Node's limit, and closes the connection. On one that has carried an answer it only closes:
 * that may have been the answer to this very request, whose body turned out to be none, and whoever is told twice mixes answers up. A
 * request that did not come in time is not answered either: nothing may be wrong with it. It may lie whole in the socket of a process
 * that was stopped, or just be coming; a connection that is closed unanswered tells its client to ask again.
 */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (closedUnanswered.has(error.code ?? '') || !socket.writable) return void socket.destroy();
  if (socket.bytesWritten > 0) return void socket.destroySoon();
  const problem = problemOf(
    'bad_request',
    error.code === 'HPE_HEADER_OVERFLOW' ? 'the address or the headers are too long' : 'not HTTP',
  );
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Answers whatever a client expects besides `100-continue` as if it had not said so: Node would send a 417 without a word. */
function ignoreExpectations({ server }: FastifyInstance): void {
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}

function serveDocument(fastify: FastifyInstance, document: NonNullable<HttpAppOptions['document']>): void {
  const json = JSON.stringify(openApiDocument(document.title, document.version, document.routes));
  const page = docsPage(document.title, document.routes);
  fastify.get('/openapi.json', (_request, reply) => reply.type('application/json').send(json));
  fastify.get('/docs', (_request, reply) => reply.type('text/html; charset=utf-8').send(page));
}

/**
 * A Nest application on Fastify with the limits, body rules and error answers that every service shares. Not yet listening.
 * @throws whatever the module's providers throw: a start refuses rather than limps.
 */
export async function createHttpApp(options: HttpAppOptions): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyBytesMax,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    routerOptions: { maxParamLength: paramCharsMax },
    forceCloseConnections: 'idle',
    logger: false,
    // what goes wrong before a route is found: an address that cannot be decoded, a parameter that is too long
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, problemFrom(error) ?? problemOf('internal')),
    clientErrorHandler: refuseMalformed,
    ...options.fastify,
  });
  const app = await NestFactory.create<NestFastifyApplication>(options.module, adapter, {
    logger: nestLogger(options.logger),
    bodyParser: false,
    abortOnError: false,
  });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  readBodiesAsJson(fastify);
  ignoreExpectations(fastify);
  if (options.document) serveDocument(fastify, options.document);
  app.useGlobalFilters(new ProblemFilter(options.logger));
  return app;
}
