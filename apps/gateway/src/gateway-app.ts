import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { bodyBytesMax, publicRoutes } from '#libs/contracts';
import { createHttpApp } from '#libs/runtime';
import { endpointsOf } from './events/public-address.ts';
import { gatewayModule } from './gateway.module.ts';
import type { GatewayParts } from './gateway-parts.ts';
import { ElsewhereFilter } from './process/elsewhere.filter.ts';

/** The gateway over its parts; not yet listening. */
export async function createGatewayApp(parts: GatewayParts): Promise<NestFastifyApplication> {
  const app = await createHttpApp({
    module: gatewayModule(parts),
    logger: parts.logger,
    bodyBytesMax,
    document: { title: 'Hongbao', version: '1', routes: publicRoutes },
    fastify: { serverFactory: parts.frontDoor.createServer, return503OnClosing: false },
  });
  if (parts.config.GATEWAY_ROLE !== 'all')
    app.useGlobalFilters(new ElsewhereFilter((request) => endpointsOf(parts.config, request)));
  return app;
}
