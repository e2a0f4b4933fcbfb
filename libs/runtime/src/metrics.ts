import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Health, ProbeAnswer } from './health.controller.ts';

export { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** A registry of this process with Node's default metrics, labelled with the service. */
export function createMetrics(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/**
 * Serves `GET /metrics` on a port of its own, so that scraping never stands in the public door; port 0 = any. With `health` probes are
 * answered there too, as on the public port: that one may be shut for moments by a process that is only busy, and nobody should kill it.
 */
export async function serveMetrics(
  registry: Registry,
  host: string,
  port: number,
  health?: Pick<Health, 'live' | 'ready'>,
): Promise<Server> {
  const server = createServer(({ url }, response) => {
    const probed = answerToProbe(url, health);
    if (probed !== undefined)
      return void response.writeHead(probed.status, { 'content-type': 'text/plain' }).end(probed.text);
    if (url !== '/metrics') return void response.writeHead(404).end();
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  });
  server.unref();
  return server;
}

function answerToProbe(
  url: string | undefined,
  health: Pick<Health, 'live' | 'ready'> | undefined,
): ProbeAnswer | undefined {
  if (url === '/livez') return health?.live();
  if (url === '/readyz') return health?.ready();
  return undefined;
}
