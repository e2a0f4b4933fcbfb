import { shareConfigSchema } from '#libs/contracts';
import { createLogger, Health, loadConfig, runService, serveMetrics } from '#libs/runtime';
import { createShareApp } from './share-app.ts';
import { createShareParts } from './share-parts.ts';

await runService('share', async () => {
  const config = loadConfig('share', shareConfigSchema, process.env);
  const logger = createLogger('share', config.LOG_LEVEL);
  const parts = createShareParts(config, logger);
  const app = await createShareApp(parts, logger);
  const metrics = await serveMetrics(parts.metrics.registry, config.HOST, config.METRICS_PORT, app.get(Health));
  await app.listen(config.PORT, config.HOST);
  logger.info({ url: await app.getUrl() }, 'share is listening');
  return {
    app,
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    afterClose: () => void metrics.close(),
  };
});
