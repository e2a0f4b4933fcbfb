import { type DynamicModule, Module } from '@nestjs/common';
import { healthModule } from '#libs/runtime';
import { DegradationController } from './degradation.controller.ts';
import { EventsController } from './events.controller.ts';
import { OpsLifecycle } from './ops.lifecycle.ts';
import { opsParts } from './ops.tokens.ts';
import type { OpsParts } from './ops-parts.ts';
import { QueuesController } from './queues.controller.ts';

@Module({})
class PartsModule {}

@Module({})
class OpsModule {}

/** The operations REST over its parts. */
export function opsModule(parts: OpsParts): DynamicModule {
  const partsModule: DynamicModule = {
    module: PartsModule,
    providers: [{ provide: opsParts, useValue: parts }, OpsLifecycle],
    exports: [opsParts, OpsLifecycle],
  };
  const health = healthModule({
    imports: [partsModule],
    inject: [OpsLifecycle],
    checks: (lifecycle: OpsLifecycle) => [{ name: 'database and redis', isReady: () => lifecycle.isReady() }],
  });
  return {
    module: OpsModule,
    imports: [partsModule, health],
    controllers: [EventsController, DegradationController, QueuesController],
  };
}
