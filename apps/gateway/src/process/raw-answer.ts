import type { ServerResponse } from 'node:http';
import type { Problem } from '#libs/contracts';
import { idleMaxMs } from '../abuse/still-connections.ts';
import { crossOriginHeaders } from './cross-origin.ts';

/** An answer as node:http writes it in one call: header list with the exact length, and body text (ASCII). */
export interface PreparedAnswer {
  readonly status: number;
  /** Names and values by turns; the last pair is what only an answer has whose connection stays. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** How long the connection stays open, as node:http would say itself if it kept the time. */
const stayOpen = ['keep-alive', `timeout=${idleMaxMs / 1000}`];

/** A 200 answer, ready to be sent any number of times. */
export function prepareAnswer(value: object): PreparedAnswer {
  return prepare(200, 'application/json', value, []);
}

/** As libs/runtime's `sendProblem`, for answers that do not pass the router. */
export function prepareProblem(problem: Problem): PreparedAnswer {
  return prepare(problem.status, 'application/problem+json', problem, moreOf(problem));
}

/** What else the headers of a problem say. */
function moreOf({ status, retryAfterMs }: Problem): string[] {
  const more: string[] = [];
  if (retryAfterMs !== undefined) more.push('retry-after', String(Math.ceil(retryAfterMs / 1000)));
  if (status === 401) more.push('www-authenticate', 'Bearer');
  return more;
}

function prepare(status: number, contentType: string, value: object, more: readonly string[]): PreparedAnswer {
  const body = asciiOf(JSON.stringify(value));
  const length = String(body.length);
  const fixed = ['content-type', contentType, 'content-length', length, 'cache-control', 'no-store'];
  return { status, headers: [...fixed, ...more, ...stayOpen], body };
}

/** JSON with everything beyond ASCII escaped, so that its length in bytes is its length in characters. */
function asciiOf(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Sends an answer that was prepared, with its cross-origin headers. */
export function sendPrepared(response: ServerResponse, answer: PreparedAnswer): void {
  const isPlain = response.shouldKeepAlive && response.req.headers.origin === undefined;
  response.writeHead(answer.status, (isPlain ? answer.headers : headersFor(response, answer)) as string[]);
  endWith(response, answer.body, 'latin1');
}

/** Sends an answer as the router does; the cross-origin headers are set already (`answerCrossOrigin`). */
export function sendJson(response: ServerResponse, status: number, value: object): void {
  sendText(response, status, ['content-type', 'application/json; charset=utf-8'], JSON.stringify(value));
}

/** As libs/runtime's `sendProblem` for the router, in front of which it is used as `sendJson` is. */
export function sendProblem(response: ServerResponse, problem: Problem): void {
  const headers = ['content-type', 'application/problem+json; charset=utf-8', ...moreOf(problem)];
  sendText(response, problem.status, headers, JSON.stringify(problem));
}

function sendText(response: ServerResponse, status: number, headers: string[], text: string): void {
  headers.push('cache-control', 'no-store', 'content-length', String(Buffer.byteLength(text)));
  response.writeHead(status, headers);
  endWith(response, text, 'utf8');
}

/**
 * Writes head and body in one call and one segment. `end(body)` would do that too, but through a vectored write of two parts, the second one
 * empty; a lone write in a corked socket takes the plain path, and `end` then finds nothing left to send (docs/engineering-notes.md).
 */
function endWith(response: ServerResponse, body: string, encoding: BufferEncoding): void {
  const { socket } = response;
  if (socket === null) {
    // its turn on the connection has not come: answers before it are still being sent
    response.end(body, encoding);
    return;
  }
  socket.cork();
  response.write(body, encoding);
  socket.uncork();
  response.end();
}

function headersFor({ req, shouldKeepAlive }: ServerResponse, { headers }: PreparedAnswer): string[] {
  const own = shouldKeepAlive ? headers : headers.slice(0, -stayOpen.length);
  return req.headers.origin === undefined ? [...own] : [...own, ...crossOriginHeaders];
}

/** The connection ends with this answer. */
export function closeAfter(response: ServerResponse): void {
  response.shouldKeepAlive = false;
}
