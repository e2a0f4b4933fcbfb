import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { opsBodyBytesMax, opsRoutes } from '#libs/contracts';
import { createHttpApp, type Logger } from '#libs/runtime';
import { opsModule } from './ops.module.ts';
import { longestCommandMs, type OpsParts } from './ops-parts.ts';

const document = { title: 'Hongbao operations', version: '1', routes: opsRoutes };

/** Settling and reconciling a large event says nothing for minutes: the connection has to stay. */
const silenceMaxMs = longestCommandMs + 30_000;

/** The operations service over its parts; not yet listening. */
export function createOpsApp(parts: OpsParts, logger: Logger): Promise<NestFastifyApplication> {
  const fastify = { connectionTimeout: silenceMaxMs };
  return createHttpApp({ module: opsModule(parts), logger, bodyBytesMax: opsBodyBytesMax, document, fastify });
}
