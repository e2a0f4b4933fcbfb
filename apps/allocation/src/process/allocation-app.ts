import { type DynamicModule, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { opsBodyBytesMax } from '#libs/contracts';
import { createHttpApp, healthModule } from '#libs/runtime';
import { DeadLettersController } from '../dead-letters/dead-letters.controller.ts';
import { EventsController } from '../events/events.controller.ts';
import { ReadsController } from '../reads/reads.controller.ts';
import { AllocationLifecycle } from './allocation.lifecycle.ts';
import { type AllocationParts, createAllocationParts } from './allocation-parts.ts';
import { closeResources, type Resources } from './resources.ts';
import { allocationParts } from './tokens.ts';

/** A socket may be silent this long: settle and reconciliation of a large event take many seconds to answer. */
const silenceMaxMs = 150_000;

@Module({})
class PartsModule {}

@Module({})
class AllocationModule {}

function allocationModule(parts: AllocationParts): DynamicModule {
  const partsModule: DynamicModule = {
    module: PartsModule,
    providers: [{ provide: allocationParts, useValue: parts }, AllocationLifecycle],
    exports: [allocationParts, AllocationLifecycle],
  };
  const health = healthModule({
    imports: [partsModule],
    inject: [AllocationLifecycle],
    checks: (lifecycle: AllocationLifecycle) => [{ name: 'redis', isReady: () => lifecycle.isReady() }],
  });
  return {
    module: AllocationModule,
    imports: [partsModule, health],
    controllers: [EventsController, DeadLettersController, ReadsController],
  };
}

/** The allocation service over its open resources, which it owns from here on; not yet listening, nothing runs yet. */
export async function createAllocationApp(resources: Resources): Promise<NestFastifyApplication> {
  const parts = createAllocationParts(resources);
  try {
    return await createHttpApp({
      module: allocationModule(parts),
      logger: resources.logger,
      bodyBytesMax: opsBodyBytesMax,
      fastify: { connectionTimeout: silenceMaxMs },
    });
  } catch (cause) {
    await parts.laneWorkers.close(0);
    await closeResources(resources);
    throw cause;
  }
}
