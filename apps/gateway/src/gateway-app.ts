import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { bodyBytesMax, publicRoutes } from '#libs/contracts';
import { createHttpApp } from '#libs/runtime';
import { gatewayModule } from './gateway.module.ts';
import type { GatewayParts } from './gateway-parts.ts';

/** The gateway over its parts; not yet listening. */
export function createGatewayApp(parts: GatewayParts): Promise<NestFastifyApplication> {
  return createHttpApp({
    module: gatewayModule(parts),
    logger: parts.logger,
    bodyBytesMax,
    document: { title: 'Hongbao', version: '1', routes: publicRoutes },
    fastify: { serverFactory: parts.frontDoor.createServer, return503OnClosing: false },
  });
}
