import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.ts';
import { createPool, type PoolOptions } from './pool.ts';

export type { PrismaClient };

/**
 * Prisma for plain reads of plans, events, dead letters, audit log and degradation; money goes through `src/sql`. It has a pool of
 * its own with the same explicit settings. Connects when first used; close it with `prisma.$disconnect()`.
 */
export function createPrisma({ onIdleError, ...options }: PoolOptions): PrismaClient {
  const adapter = new PrismaPg(createPool(options), {
    disposeExternalPool: true,
    onPoolError: (error) => onIdleError?.(error),
    onConnectionError: (error) => onIdleError?.(error),
  });
  return new PrismaClient({ adapter, errorFormat: 'minimal', log: [] });
}
