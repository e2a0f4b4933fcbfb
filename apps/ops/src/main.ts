import { opsConfigSchema } from '#libs/contracts';
import { createLogger, Health, loadConfig, runService, serveMetrics } from '#libs/runtime';
import { createOpsApp } from './ops-app.ts';
import { createOpsParts } from './ops-parts.ts';

await runService('ops', async () => {
  const config = loadConfig('ops', opsConfigSchema, process.env);
  const logger = createLogger('ops', config.LOG_LEVEL);
  const parts = createOpsParts(config, logger);
  const app = await createOpsApp(parts, config, logger);
  const metrics = await serveMetrics(parts.metrics, config.HOST, config.METRICS_PORT, app.get(Health));
  await app.listen(config.OPS_PORT, config.HOST);
  logger.info({ url: await app.getUrl() }, 'ops is listening');
  return {
    app,
    logger,
    shutdownTimeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    afterClose: () => void metrics.close(),
  };
});
