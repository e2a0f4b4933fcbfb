import type { ServerResponse } from 'node:http';
import type { Problem } from '#libs/contracts';

/** An answer as node:http writes it in one call: header list with the exact length, and body text (ASCII). */
export interface PreparedAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

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
  const headers = ['content-type', contentType, 'content-length', length, 'cache-control', 'no-store', ...more];
  return { status, headers, body };
}

/** JSON with everything beyond ASCII escaped, so that its length in bytes is its length in characters. */
function asciiOf(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Writes an answer in one call. */
export function sendPrepared(response: ServerResponse, { status, headers, body }: PreparedAnswer): void {
  response.writeHead(status, headers as string[]);
  response.end(body, 'latin1');
}

/** The connection ends with this answer. */
export function closeAfter(response: ServerResponse): void {
  response.shouldKeepAlive = false;
}
