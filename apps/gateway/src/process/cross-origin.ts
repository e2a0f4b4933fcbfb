import type { IncomingMessage, ServerResponse } from 'node:http';

/*
 * Pages of any origin may call this door: a session is a bearer token that no browser adds by itself, so an origin says nothing. The
 * pages that need it: a host application's, and `/play` where shakes and money have addresses of their own.
 */

/** What lets a page read an answer, as a header list. */
export const crossOriginHeaders: readonly string[] = [
  'access-control-allow-origin',
  '*',
  'access-control-expose-headers',
  'retry-after',
];

const preflightHeaders = [
  ...crossOriginHeaders,
  'access-control-allow-methods',
  'GET, POST',
  'access-control-allow-headers',
  'authorization, content-type, x-shake-state',
  'access-control-max-age',
  '7200',
];

/**
 * For requests on their way to the router: lets the page read the answer; answers a preflight itself and then returns true. Answers that
 * are prepared see to it themselves (`sendPrepared`).
 */
export function answerCrossOrigin(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.headers.origin === undefined) return false;
  if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
    response.writeHead(204, preflightHeaders);
    response.end();
    return true;
  }
  for (let i = 0; i < crossOriginHeaders.length; i += 2)
    response.setHeader(crossOriginHeaders[i]!, crossOriginHeaders[i + 1]!);
  return false;
}
