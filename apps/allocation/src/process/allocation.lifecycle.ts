import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { AllocationParts } from './allocation-parts.ts';
import { closeResources } from './resources.ts';
import { assertLanesSuffice } from './start-check.ts';
import { allocationParts } from './tokens.ts';

/** How long the start waits for Redis before it goes on without. */
const startWaitMaxMs = 2000;
/** Part of SHUTDOWN_TIMEOUT_MS that the lanes may take to drain. */
const drainShare = 0.6;

/**
 * What runs besides requests. A stop ends the stocker and the check of the ledger and drains the lanes (onModuleDestroy), lets Nest finish the requests under
 * way, then closes what they all used (onApplicationShutdown).
 */
@Injectable()
export class AllocationLifecycle implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private phase: 'starting' | 'ready' | 'stopping' = 'starting';

  constructor(@Inject(allocationParts) private readonly parts: AllocationParts) {}

  /** @throws LaneCountError, and the database's error: a start refuses rather than limps. */
  async onApplicationBootstrap(): Promise<void> {
    const { resources, laneWorkers, stockLoop, ledgerWatch } = this.parts;
    const { config, prisma, clock, degradation } = resources;
    await assertLanesSuffice(prisma, { openLaneCount: config.OPEN_LANES, grabLaneCount: config.GRAB_LANES });
    await clock.whenReady(startWaitMaxMs);
    await degradation.start();
    degradation.onChange(({ modes }) => this.deferGrabs(modes.grabs === 'deferred' || modes.grabs === 'off'));
    laneWorkers.start();
    stockLoop.start();
    ledgerWatch.start();
  }

  private deferGrabs(isDeferred: boolean): void {
    this.parts.laneWorkers.deferGrabs(isDeferred);
    this.parts.resources.metrics.grabsDeferred.set(isDeferred ? 1 : 0);
  }

  /** True from when Redis was there for the first time: what goes away later is waited for, by lanes and stocker alike. */
  isReady(): boolean {
    if (this.phase === 'starting' && this.parts.resources.clock.nowMs() !== undefined) this.phase = 'ready';
    return this.phase === 'ready';
  }

  async onModuleDestroy(): Promise<void> {
    this.phase = 'stopping';
    const { resources, laneWorkers, stockLoop, ledgerWatch } = this.parts;
    const drainMs = resources.config.SHUTDOWN_TIMEOUT_MS * drainShare;
    await Promise.all([stockLoop.stop(), ledgerWatch.stop(), laneWorkers.close(drainMs)]);
  }

  async onApplicationShutdown(): Promise<void> {
    await closeResources(this.parts.resources);
  }
}
