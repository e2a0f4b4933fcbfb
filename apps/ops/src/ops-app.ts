import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type OpsConfig, opsBodyBytesMax, opsRoutes } from '#libs/contracts';
import { createHttpApp, type Logger } from '#libs/runtime';
import { opsModule } from './ops.module.ts';
import { longestCommandMs, type OpsParts } from './ops-parts.ts';

const document = { title: 'Hongbao operations', version: '1', routes: opsRoutes };

/** Settling and reconciling a large event says nothing for minutes: the connection has to stay. */
const silenceMaxMs = longestCommandMs + 30_000;

/** The operations service over its parts; not yet listening. */
export function createOpsApp(
  parts: OpsParts,
  config: Pick<OpsConfig, 'TRUSTED_PROXIES'>,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const proxies = config.TRUSTED_PROXIES.map(({ address, prefixLength }) => `${address}/${prefixLength}`);
  // `request.ip` is then the rightmost address in X-Forwarded-For that is no trusted proxy's
  const fastify = { connectionTimeout: silenceMaxMs, trustProxy: proxies.length > 0 && proxies };
  return createHttpApp({ module: opsModule(parts), logger, bodyBytesMax: opsBodyBytesMax, document, fastify });
}
