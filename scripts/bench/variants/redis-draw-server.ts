/**
 * A gateway of the gateway's own parts whose draw is one Redis script per shake, as most systems make it. Configured by the gateway's
 * environment. Argument: JSON of RedisDrawSettings.
 */
import { gatewayConfigSchema } from '#libs/contracts';
import { createLogger, loadConfig, runService, serveMetrics } from '#libs/runtime';
import { createGatewayApp } from '../../../apps/gateway/src/gateway-app.ts';
import { createGatewayParts } from '../../../apps/gateway/src/gateway-parts.ts';
import { gatewayMetrics } from '../../../apps/gateway/src/process/gateway-metrics.ts';
import { RedisDraw } from './redis-draw.ts';
import { RedisDrawHandler } from './redis-draw-handler.ts';
import type { RedisDrawSettings } from './redis-draw-settings.ts';

const settings = JSON.parse(process.argv[2]!) as RedisDrawSettings;

await runService('redis-draw', async () => {
  const config = loadConfig('redis-draw', gatewayConfigSchema, process.env);
  const logger = createLogger('redis-draw', config.LOG_LEVEL);
  const parts = createGatewayParts(config, logger);
  const app = await createGatewayApp(parts);
  const metrics = await serveMetrics(gatewayMetrics(parts), config.HOST, config.METRICS_PORT);
  await app.listen(config.PORT, config.HOST);
  // without the gateway's timer for each command, and waiting for the connection
  const client = parts.redis.cache.duplicate({
    enableAutoPipelining: settings.isPipelined,
    enableOfflineQueue: true,
    commandTimeout: undefined,
    socketTimeout: undefined,
  });
  const draw = new RedisDraw(client);
  await draw.stock(settings.chance);
  const handler = new RedisDrawHandler(parts, draw);
  parts.frontDoor.serve((request, response) => handler.tryHandle(request, response));
  process.send!({ port: config.PORT });
  return {
    app,
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    afterClose: () => {
      client.disconnect();
      metrics.close();
    },
  };
});
