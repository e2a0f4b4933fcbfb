import {
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { opsParts } from './ops.tokens.ts';
import type { OpsParts } from './ops-parts.ts';

const startWaitMaxMs = 2000;

/** What runs besides requests, in order: streams end first, what requests under way use is closed after them. */
@Injectable()
export class OpsLifecycle implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  private wasReady = false;

  constructor(@Inject(opsParts) private readonly parts: OpsParts) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.parts.redis.start(startWaitMaxMs);
    await this.parts.degradation.start();
    this.parts.tierLeader.start();
  }

  /** True since PostgreSQL and Redis were there for the first time: in an outage operators need what still works. */
  isReady(): boolean {
    this.wasReady ||= this.parts.degradation.isKnown() && this.parts.redis.isThere();
    return this.wasReady;
  }

  async onModuleDestroy(): Promise<void> {
    await this.parts.live.close();
  }

  async onApplicationShutdown(): Promise<void> {
    const { degradation, tierLeader, allocation, reports, redis, prisma, pool } = this.parts;
    await tierLeader.stop();
    await degradation.stop();
    await Promise.all([allocation.close(), reports.close()]);
    await redis.close();
    await prisma.$disconnect();
    await pool.end();
  }
}
