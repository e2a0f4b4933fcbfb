import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { bodyBytesMax } from '#libs/contracts';
import { createHttpApp, type Logger } from '#libs/runtime';
import { shareModule } from './share.module.ts';
import type { ShareParts } from './share-parts.ts';

/** The share service over its parts; not yet listening. */
export function createShareApp(parts: ShareParts, logger: Logger): Promise<NestFastifyApplication> {
  return createHttpApp({ module: shareModule(parts), logger, bodyBytesMax });
}
