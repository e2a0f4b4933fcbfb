import { allocationConfigSchema } from '#libs/contracts';
import { createLogger, createMetrics, Health, loadConfig, runService, serveMetrics } from '#libs/runtime';
import { createAllocationApp } from './process/allocation-app.ts';
import { openResources } from './process/resources.ts';

await runService('allocation', async () => {
  const config = loadConfig('allocation', allocationConfigSchema, process.env);
  const logger = createLogger('allocation', config.LOG_LEVEL);
  const registry = createMetrics('allocation');
  const app = await createAllocationApp(await openResources(config, logger, registry));
  const metrics = await serveMetrics(registry, config.HOST, config.METRICS_PORT, app.get(Health));
  await app.listen(config.PORT, config.HOST);
  logger.info({ url: await app.getUrl() }, 'allocation is listening');
  return {
    app,
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    afterClose: () => void metrics.close(),
  };
});
