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
  const more: string[] = [];
  if (problem.retryAfterMs !== undefined) more.push('retry-after', String(Math.ceil(problem.retryAfterMs / 1000)));
  if (problem.status === 401) more.push('www-authenticate', 'Bearer');
  return prepare(problem.status, 'application/problem+json', problem, more);
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

/**
 * Writes an answer in one call and one segment. `end(body)` would do that too, but through a vectored write of two parts, the second one
 * empty; a lone write in a corked socket takes the plain path, and `end` then finds nothing left to send (docs/engineering-notes.md).
 */
export function sendPrepared(response: ServerResponse, answer: PreparedAnswer): void {
  const isPlain = response.shouldKeepAlive && response.req.headers.origin === undefined;
  response.writeHead(answer.status, (isPlain ? answer.headers : headersFor(response, answer)) as string[]);
  const { socket } = response;
  if (socket === null) {
    // its turn on the connection has not come: answers before it are still being sent
    response.end(answer.body, 'latin1');
    return;
  }
  socket.cork();
  response.write(answer.body, 'latin1');
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
