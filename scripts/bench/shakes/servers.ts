import { setTimeout as delay } from 'node:timers/promises';
import type { EventSnapshot } from '#libs/contracts';
import { publishEvents } from '#libs/redis';
import { PinnedProgram } from '../measure/pinned-program.ts';
import type { Gateways } from '../night/gateways.ts';
import { gatewayEnv } from '../night/gateways.ts';
import type { BareSettings } from '../variants/bare-settings.ts';
import type { RedisDrawSettings } from '../variants/redis-draw-settings.ts';
import type { Server } from './closed-loop.ts';
import type { Place, Store } from './place.ts';
import type { SampleBodies } from './samples.ts';
import { hitShare } from './settings.ts';

/** What a variant finds of its event once it is up. */
const settleMs = 1500;

/** The gateway, its Redis among what it costs. */
export function gatewayServer({ store }: { readonly store: Store }, gateways: Gateways): Server {
  const { port, pids, metricsUrls } = gateways;
  return { name: 'the gateway', port, pids: [...pids, store.server.pid], metricsUrls };
}

/** Bare `node:http` that writes these bodies, a hit as often as the gateway. It ends with the place. */
export async function startBare(place: Place, bodies: SampleBodies): Promise<Server> {
  const settings: BareSettings = { ...bodies, hitEvery: Math.round(1 / hitShare) };
  const program = await PinnedProgram.start({
    program: 'variants/bare-server.js',
    core: place.serverCore,
    args: [JSON.stringify(settings)],
    logFile: place.logFile('bare'),
  });
  place.onClose(() => program.end());
  const { port } = await program.nextMessage<{ port: number }>(place.context.signal);
  return { name: 'bare node:http', port, pids: [program.pid] };
}

/** The gateway whose draw is a Redis script, with a Redis of its own that writes no append-only file. It ends with the place. */
export async function startRedisDraw(
  place: Place,
  events: readonly EventSnapshot[],
  settings: RedisDrawSettings,
): Promise<Server> {
  const name = settings.isPipelined ? 'redis-draw-pipelined' : 'redis-draw';
  const { server, client } = await place.openStore(name, { appendonly: 'no' });
  await publishEvents(client, events);
  const env = await gatewayEnv({ redisUrl: server.url, secrets: place.secrets });
  const program = await PinnedProgram.start({
    program: 'variants/redis-draw-server.js',
    core: place.serverCore,
    args: [JSON.stringify(settings)],
    env,
    logFile: place.logFile(name),
  });
  place.onClose(() => program.end());
  await program.nextMessage(place.context.signal);
  await delay(settleMs);
  return {
    name: settings.isPipelined ? 'one Redis script per shake, pipelined' : 'one Redis script per shake',
    port: Number(env['PORT']),
    pids: [program.pid, server.pid],
    metricsUrls: [`http://127.0.0.1:${env['METRICS_PORT']}/metrics`],
  };
}
