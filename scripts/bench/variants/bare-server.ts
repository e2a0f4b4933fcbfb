/**
 * Bare `node:http`: writes the bytes that a gateway writes, every so often those of a hit, and looks at nothing. What a gateway's shake
 * is measured against. Argument: JSON of BareSettings.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BareSettings, keepAliveTimeoutMs } from './bare-settings.ts';

process.on('disconnect', () => process.exit());
const { misses, hit, hitEvery } = JSON.parse(process.argv[2]!) as BareSettings;
const headersOf = (body: string): string[] => [
  ...['content-type', 'application/json'],
  ...['content-length', String(body.length)],
  ...['cache-control', 'no-store'],
];
const missHeaders = misses.map(headersOf);
const hitHeaders = headersOf(hit);
let count = 0;

const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs, noDelay: true }, (_request, response) => {
  count += 1;
  const isHit = count % hitEvery === 0;
  const at = count % misses.length;
  response.writeHead(200, isHit ? hitHeaders : missHeaders[at]!);
  response.end(isHit ? hit : misses[at], 'latin1');
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
