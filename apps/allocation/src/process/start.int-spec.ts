// A start refuses with one clear message when it could not do its work, and waits for what may come later.
import { describe, expect, it } from 'vitest';
import { allocationConfigSchema } from '#libs/contracts';
import { createBareDatabase, createTestDatabase } from '../../../../libs/database/src/testing.ts';
import { startTestRedis } from '../../../../libs/localservers/src/testing.ts';
import { AllocationRig, RunningAllocation } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import { databaseConnectionsMin } from './resources.ts';

const wait = { timeout: 20_000, interval: 50 };

describe('a start', () => {
  it('is refused without the migrations', async () => {
    const [bare, redis] = await Promise.all([createBareDatabase(), startTestRedis()]);
    try {
      const start = RunningAllocation.start({ DATABASE_URL: bare.url, REDIS_URL: redis.url });
      await expect(start).rejects.toMatchObject({ name: 'MigrationError' });
    } finally {
      await bare.drop();
      await redis.stop();
    }
  });

  it('is refused with fewer lanes than an event that goes on was armed with', async () => {
    const rig = await AllocationRig.create();
    try {
      const event = await rig.arm(planOf({ startsInMs: 60_000 }));
      for (const fewer of [{ OPEN_LANES: '3' }, { GRAB_LANES: '1' }]) {
        const start = RunningAllocation.start({ ...rig.urls, ...fewer });
        await expect(start).rejects.toThrow(new RegExp(`were armed with: ${event.id} \\(4 open, 2 grab\\)`));
      }
      const more = await RunningAllocation.start({ ...rig.urls, OPEN_LANES: '8' });
      await more.close();
    } finally {
      await rig.close();
    }
  });

  it('does without Redis, refuses what needs it, and is ready when Redis comes', async () => {
    const [database, redis] = await Promise.all([createTestDatabase(), startTestRedis()]);
    await redis.kill();
    const allocation = await RunningAllocation.start({ DATABASE_URL: database.url, REDIS_URL: redis.url });
    try {
      const readyz = async () => (await fetch(`${allocation.url}/readyz`)).status;
      expect(await readyz()).toBe(503);
      const created = await allocation.call<{ id: string }>('POST', '/events', planOf({ startsInMs: 60_000 }));
      expect(created.status).toBe(201);
      const { body } = await allocation.act(created.body.id, 'arm');
      expect(body.code).toBe('dependency_unavailable');
      await redis.restart();
      await expect.poll(readyz, wait).toBe(200);
      expect((await allocation.act(created.body.id, 'arm')).status).toBe(200);
    } finally {
      await allocation.close();
      await database.drop();
      await redis.stop();
    }
  });

  it('wants as many database connections as its parts hold at once', () => {
    const env = { INTERNAL_TOKEN: 'a'.repeat(16), REDIS_URL: 'redis://h', DATABASE_URL: 'postgres://h' };
    const parse = (max: number) => allocationConfigSchema.safeParse({ ...env, DATABASE_POOL_MAX: String(max) }).success;
    expect([parse(databaseConnectionsMin - 1), parse(databaseConnectionsMin)]).toEqual([false, true]);
  });
});
