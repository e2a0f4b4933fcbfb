// A share service that has stepped back by itself: extras and pages are refused at once, grabs go on, by what the gateway said of each.
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { importanceHeader, userHeader } from '#libs/contracts';
import { eventually, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
  share = await ShareService.start({
    REDIS_URL: stores.redis.url,
    DATABASE_URL: stores.database.url,
    SHARE_ID: 'share-test',
  });
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  await stores?.stop();
});

/** As if grabs had been under way beyond what may be for a while; the real figures let go of it in six seconds. */
function stepBack(): void {
  const figures = { elapsedMs: 100, utilisation: 1, loopDelayMs: 0, requests: {}, inFlightShare: 1 };
  for (let step = 0; step < 10; step++) share.parts.admission.local.step(figures);
}

async function ask(method: string, path: string, importance?: string): Promise<{ status: number; code?: string }> {
  stepBack();
  const { internalToken } = ShareService;
  const headers = {
    authorization: `Bearer ${internalToken}`,
    [userHeader]: 'friend',
    ...(importance === undefined ? {} : { [importanceHeader]: importance }),
  };
  const response = await fetch(`${share.url}/internal/v1${path}`, { method, headers });
  const { code } = (await response.json()) as { code?: string };
  return { status: response.status, ...(code === undefined ? {} : { code }) };
}

it('refuses pages and extras, books grabs, and serves all again when it is over', async () => {
  await world.open(0, 'owner');
  const token = world.shareToken(0, 'owner');
  expect(await ask('GET', `/shares/${token}`, 'reads 0.1')).toEqual({ status: 503, code: 'overloaded' });
  expect(await ask('GET', `/events/${world.event.id}/leaderboard`)).toEqual({ status: 503, code: 'overloaded' });
  expect((await ask('POST', `/shares/${token}/grab`, 'grab 0.9')).status).toBeLessThan(300);
  // what the gateway said of it counts, not the path
  expect(await ask('POST', `/shares/${token}/grab`, 'extras 0.1')).toEqual({ status: 503, code: 'overloaded' });
  expect(share.parts.admission.refused).toMatchObject({ reads: 1, extras: 2, grab: 0 });
  const metrics = await share.parts.metrics.registry.metrics();
  expect(metrics).toMatch(/hongbao_admission_level\{service="share"\} [23]/);
  expect(metrics).toContain('hongbao_requests_shed_total{class="extras",service="share"} 2');
  await eventually(() => share.parts.admission.local.level).toBe(0);
  expect((await share.page(token)).status).toBe(200);
});
