import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Pages of any origin may call this door: a session is a bearer token that no browser adds by itself, so an origin says nothing. The
 * pages that need it: a host application's, and `/play` where shakes and money have addresses of their own.
 */
const preflightHeaders = [
  'access-control-allow-methods',
  'GET, POST',
  'access-control-allow-headers',
  'authorization, content-type, x-shake-state',
  'access-control-max-age',
  '7200',
];

/** Lets the page read the answer; answers a preflight itself and then returns true. Requests without an Origin cost nothing. */
export function answerCrossOrigin(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.headers.origin === undefined) return false;
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'retry-after');
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  response.writeHead(204, preflightHeaders);
  response.end();
  return true;
}
