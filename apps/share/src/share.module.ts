import { type DynamicModule, Module } from '@nestjs/common';
import { healthModule } from '#libs/runtime';
import { ExtrasController } from './extras.controller.ts';
import { ShareLifecycle } from './share.lifecycle.ts';
import { shareParts } from './share.tokens.ts';
import type { ShareParts } from './share-parts.ts';
import { SharesController } from './shares.controller.ts';

@Module({})
class PartsModule {}

@Module({})
class ShareModule {}

/** The routes of the share service over its parts. */
export function shareModule(parts: ShareParts): DynamicModule {
  const partsModule: DynamicModule = {
    module: PartsModule,
    providers: [{ provide: shareParts, useValue: parts }, ShareLifecycle],
    exports: [shareParts, ShareLifecycle],
  };
  const health = healthModule({
    imports: [partsModule],
    inject: [ShareLifecycle],
    checks: (lifecycle: ShareLifecycle) => [{ name: 'redis and its events', isReady: () => lifecycle.isReady() }],
  });
  return { module: ShareModule, imports: [partsModule, health], controllers: [SharesController, ExtrasController] };
}
