// What each failure does: without Redis pages work and grabs are refused, without PostgreSQL grabs are pending; all of it comes back.
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CuttableLine } from '../../../libs/localservers/src/testing.ts';
import { eventually, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let line: CuttableLine;
let world: ShareWorld;
let share: ShareService;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  line = await CuttableLine.to(stores.database.url);
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
  share = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: line.url });
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  line?.close();
  await stores?.stop();
});

const codeOf = async (answer: Promise<{ status: number; body: { code: string } }>) => {
  const { status, body } = await answer;
  return [status, body.code];
};

describe('PostgreSQL is away', () => {
  it('a page that was read lately comes from its copy, another one is refused, grabs go on; all return', async () => {
    const [known, unknown] = [world.shareToken(0, 'owner-0'), world.shareToken(1, 'owner-1')];
    await world.open(0, 'owner-0');
    expect((await share.page(known)).status).toBe(200);
    line.cut();
    expect((await share.page(known)).status).toBe(200);
    expect(await codeOf(share.page(unknown))).toEqual([503, 'dependency_unavailable']);
    await eventually(async () => (await share.grab(known, 'friend')).body.status).toBe('credited');
    expect(await codeOf(share.call('GET', `/events/${world.event.id}/leaderboard`))).toEqual([
      503,
      'dependency_unavailable',
    ]);
    line.mend();
    await eventually(async () => (await share.page(unknown)).status).toBe(200);
  });
});

describe('Redis is away', () => {
  it('pages work, grabs are refused and say when to come again; both work when it is back', async () => {
    const token = world.shareToken(2, 'owner-2');
    await world.open(2, 'owner-2');
    await stores.redis.kill();
    const refused = await share.grab(token, 'friend');
    expect([refused.status, refused.body.code]).toEqual([503, 'queue_unavailable']);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await share.page(token)).status).toBe(200);
    await stores.redis.restart();
    await world.publish();
    await eventually(async () => (await share.grab(token, 'friend')).body.status).toBe('credited');
  });

  it('the service starts without it, is not ready, serves no grab, and becomes ready when it comes', async () => {
    await stores.redis.kill();
    const late = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
    const token = world.shareToken(3, 'owner-3');
    expect((await fetch(`${late.url}/readyz`)).status).toBe(503);
    expect(await codeOf(late.grab(token, 'friend'))).toEqual([503, 'queue_unavailable']);
    await stores.redis.restart();
    await world.publish();
    await eventually(async () => (await fetch(`${late.url}/readyz`)).status).toBe(200);
    await world.open(3, 'owner-3');
    await eventually(async () => (await late.grab(token, 'friend')).body.status).toBe('credited');
    await late.close();
  });
});
