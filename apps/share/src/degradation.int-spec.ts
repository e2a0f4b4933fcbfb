// Each feature of the share service yields at its tiers and by its switch as the catalogue says, and returns: over REST, told through Redis.
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import type { DegradationState } from '#libs/contracts';
import { type FeatureKey, featureOf, withFeature, withTier } from '#libs/degradation';
import type { Tier } from '#libs/domain';
import { writeDegradation } from '#libs/redis';
import { type Call, eventually, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;
let document: DegradationState;
/** By so much the monotonic clock of the service is ahead. */
let aheadMs = 0;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  world.startLanes();
  const env = { REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url };
  share = await ShareService.start(env, { monotonicMs: () => performance.now() + aheadMs });
  document = share.parts.features.state();
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  await stores?.stop();
});
afterEach(() => tell({ ...document, mode: 'auto', features: {}, version: document.version + 1 }));

/** As operations does it: written to Redis and pushed. Resolves when the service goes by it. */
async function tell(next: DegradationState): Promise<void> {
  document = next;
  await writeDegradation(world.redis, document);
  await eventually(() => share.parts.features.state().version).toBe(document.version);
}
const tier = (value: Tier) => tell(withTier(document, { mode: 'pinned', tier: value }, 1));
const turn = (key: FeatureKey, state: 'off' | 'auto') => tell(withFeature(document, key, { state }, 1));
const stepTier = (key: FeatureKey, mode: string): Tier => featureOf(key).steps.find((step) => step.mode === mode)!.tier;
const lastFullTier = (key: FeatureKey) => (featureOf(key).steps[0]!.tier - 1) as Tier;
const expectOff = ({ status, body, headers }: Call): void => {
  expect([status, body.code]).toEqual([503, 'feature_off']);
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
};
/** Off by the tier, then by the switch; after each the feature must be there as before. */
async function whileOff(key: FeatureKey, isOff: () => Promise<void>, isBack: () => Promise<void>): Promise<void> {
  const offTier = stepTier(key, 'off');
  await tier((offTier - 1) as Tier);
  await isBack();
  for (const yielding of [() => tier(offTier), () => turn(key, 'off')]) {
    await yielding();
    await isOff();
    await tier(0);
    await turn(key, 'auto');
    await isBack();
  }
}

describe('a pin', () => {
  const hourMs = 3_600_000;
  it.each([
    ['ahead', hourMs, 60_000, 1],
    ['behind', -hourMs, -60_000, 0],
  ] as const)(
    'ends in the time of the store, although the clock of this machine is %s',
    async (_how, skewMs, endsInMs, expected) => {
      const wallMs = Date.now;
      // the store of this test goes by the machine's own clock
      const untilMs = wallMs() + endsInMs;
      const skewed = vi.spyOn(Date, 'now').mockImplementation(() => wallMs() + skewMs);
      try {
        await tell(withTier(document, { mode: 'pinned', tier: 1, untilMs }, untilMs - hourMs));
        expect(share.parts.features.tier()).toBe(expected);
      } finally {
        skewed.mockRestore();
      }
    },
  );
});

describe('the list of grabs on a share page', () => {
  it('is left out, all else stays, and returns', async () => {
    const token = world.shareToken(0, 'owner-0');
    const isBack = async () => expect((await share.page(token)).body.grabs).toEqual([]);
    const isOff = async () => {
      const { status, body } = await share.page(token);
      expect([status, body.portions, body.taken]).toEqual([200, 3, 0]);
      expect(body).not.toHaveProperty('grabs');
    };
    await whileOff('share_grab_list', isOff, isBack);
  });
});

describe('the leaderboard', () => {
  it('is refused, and returns', async () => {
    const ask = () => share.call('GET', `/events/${world.event.id}/leaderboard`);
    const isBack = async () => expect((await ask()).status).toBe(200);
    await whileOff('leaderboard', async () => expectOff(await ask()), isBack);
  });
});

describe('the feed', () => {
  it('is refused, streams that are open end, and it returns', async () => {
    const ask = () =>
      fetch(`${share.url}/internal/v1/events/${world.event.id}/feed`, {
        headers: { authorization: `Bearer ${share.parts.config.INTERNAL_TOKEN}` },
      });
    let stream = await ask();
    const isBack = async () => {
      await stream.body?.cancel().catch(() => undefined);
      stream = await ask();
      expect(stream.status).toBe(200);
    };
    const isOff = async () => {
      // ends only when the stream does
      await stream.text();
      const refused = await ask();
      expectOff({ status: refused.status, headers: refused.headers, body: await refused.json() });
    };
    await whileOff('feed', isOff, isBack);
    await stream.body?.cancel();
  });
});

describe('share pages', () => {
  it('come from a copy that is older than a second at tier 2, and are fresh again below', async () => {
    const token = world.shareToken(1, 'owner-1');
    await world.open(1, 'owner-1');
    const other = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
    await tier(stepTier('share_pages', 'cached'));
    expect((await share.page(token)).body.taken).toBe(0);
    await eventually(async () => (await other.grab(token, 'friend')).body.status).toBe('credited');
    // longer than pages are kept below tier 2
    aheadMs += 1500;
    expect((await share.page(token)).body.taken).toBe(0);
    await tier(lastFullTier('share_pages'));
    expect((await share.page(token)).body.taken).toBe(1);
    await other.close();
  });

  it('are refused at tier 5 and by the switch, and return', async () => {
    const ask = () => share.page(world.shareToken(2, 'owner-2'));
    const isBack = async () => expect((await ask()).status).toBe(200);
    await whileOff('share_pages', async () => expectOff(await ask()), isBack);
  });
});

describe('grabs', () => {
  it('are accepted and told later at tier 3, none is refused, and are told at once below', async () => {
    const token = world.shareToken(3, 'owner-3');
    await world.open(3, 'owner-3');
    await tier(stepTier('grabs', 'deferred'));
    const accepted = await share.grab(token, 'friend-0');
    expect([accepted.status, accepted.body]).toEqual([202, { status: 'pending', pollAfterMs: 3000 }]);
    await eventually(async () => (await share.grab(token, 'friend-0')).body.status).toBe('credited');
    await tier(lastFullTier('grabs'));
    await eventually(async () => (await share.grab(token, 'friend-1')).status).toBe(200);
  });

  it('are refused at tier 5 and by the switch, who had a portion keeps it, and they return', async () => {
    const token = world.shareToken(4, 'owner-4');
    await world.open(4, 'owner-4');
    const isBack = async () => eventually(async () => (await share.grab(token, 'friend')).body.status).toBe('credited');
    await isBack();
    await whileOff('grabs', async () => expectOff(await share.grab(token, 'friend')), isBack);
  });
});
