// The port beside the public one: metrics, and probes that are answered whether or not the public one is open.
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, Server } from 'node:net';
import { type INestApplication, Module } from '@nestjs/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Health, healthModule } from './health.controller.ts';
import { createHttpApp } from './http-app.ts';
import { createLogger } from './logger.ts';
import { createMetrics, serveMetrics } from './metrics.ts';

let isRedisThere: boolean;

@Module({ imports: [healthModule({ inject: [], checks: () => [{ name: 'redis', isReady: () => isRedisThere }] })] })
class TestModule {}

let app: INestApplication;
let metrics: HttpServer;

beforeEach(async () => {
  isRedisThere = true;
  app = await createHttpApp({ module: TestModule, logger: createLogger('test', 'silent'), bodyBytesMax: 100 });
  metrics = await serveMetrics(createMetrics('test'), '127.0.0.1', 0, app.get(Health));
});
afterEach(async () => {
  await app.close();
  metrics.closeAllConnections();
  await new Promise((resolve) => metrics.close(resolve));
});

async function ask(base: string, path: string): Promise<[status: number, text: string]> {
  const response = await fetch(`${base}${path}`);
  return [response.status, await response.text()];
}
const beside = (path: string) => ask(`http://127.0.0.1:${(metrics.address() as AddressInfo).port}`, path);
const publicly = async (path: string) => ask(await app.getUrl(), path);

it('probes are told the same on both ports', async () => {
  await app.listen(0, '127.0.0.1');
  for (const at of [beside, publicly]) {
    expect(await at('/livez')).toEqual([200, 'ok']);
    expect(await at('/readyz')).toEqual([200, 'ok']);
  }
  isRedisThere = false;
  for (const at of [beside, publicly]) {
    expect(await at('/livez')).toEqual([200, 'ok']);
    expect(await at('/readyz')).toEqual([503, 'not ready: redis']);
  }
});

it('a process that does not listen yet, or is stopping, is alive and not ready', async () => {
  expect(await beside('/livez')).toEqual([200, 'ok']);
  expect(await beside('/readyz')).toEqual([503, 'not ready: its port']);
  await app.listen(0, '127.0.0.1');
  expect(await beside('/readyz')).toEqual([200, 'ok']);
  await app.close();
  expect(await beside('/livez')).toEqual([200, 'ok']);
  expect(await beside('/readyz')).toEqual([503, 'not ready: it is stopping']);
});

it('a process whose public port is shut for a while is alive and ready', async () => {
  await app.listen(0, '127.0.0.1');
  const server = app.getHttpServer() as HttpServer;
  const { port } = server.address() as AddressInfo;
  // as the gateway does it: whoever is connected stays, nobody new comes in
  Server.prototype.close.call(server);
  await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  expect(await beside('/livez')).toEqual([200, 'ok']);
  expect(await beside('/readyz')).toEqual([200, 'ok']);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
});

it('serves metrics there and not on the public port, and nothing else', async () => {
  await app.listen(0, '127.0.0.1');
  expect(await beside('/metrics')).toEqual([200, expect.stringContaining('process_cpu_seconds_total{service="test"}')]);
  expect((await publicly('/metrics'))[0]).toBe(404);
  expect((await beside('/nowhere'))[0]).toBe(404);
});

it('without health there are no probes', async () => {
  const bare = await serveMetrics(createMetrics('test'), '127.0.0.1', 0);
  const base = `http://127.0.0.1:${(bare.address() as AddressInfo).port}`;
  expect((await ask(base, '/livez'))[0]).toBe(404);
  expect((await ask(base, '/metrics'))[0]).toBe(200);
  bare.closeAllConnections();
  await new Promise((resolve) => bare.close(resolve));
});
