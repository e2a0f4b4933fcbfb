import { gatewayConfigSchema } from '#libs/contracts';
import { createLogger, Health, loadConfig, runService, serveMetrics } from '#libs/runtime';
import { connectionsWaitingMax } from './admission/door-latch.ts';
import { createGatewayApp } from './gateway-app.ts';
import { createGatewayParts } from './gateway-parts.ts';
import { gatewayMetrics } from './process/gateway-metrics.ts';

await runService('gateway', async () => {
  const config = loadConfig('gateway', gatewayConfigSchema, process.env);
  const logger = createLogger('gateway', config.LOG_LEVEL);
  const parts = createGatewayParts(config, logger);
  const app = await createGatewayApp(parts);
  const metrics = await serveMetrics(gatewayMetrics(parts), config.HOST, config.METRICS_PORT, app.get(Health));
  await app.listen({ port: config.PORT, host: config.HOST, backlog: connectionsWaitingMax });
  logger.info({ url: await app.getUrl(), role: config.GATEWAY_ROLE }, 'gateway is listening');
  return {
    app,
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    afterClose: () => void metrics.close(),
  };
});
