// Leaderboard and feed: begun from the ledger, kept by the feed channel, off when they yield.
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type FeedEntry, feedItemSchema, leaderboardSchema } from '#libs/contracts';
import { withTier } from '#libs/degradation';
import { publishFeed } from '#libs/redis';
import { eventually, ShareService, ShareStores, ShareWorld } from './testing.ts';

let stores: ShareStores;
let world: ShareWorld;
let share: ShareService;

beforeAll(async () => {
  stores = await ShareStores.start(inject('postgresUrl'));
  world = await ShareWorld.create(stores.database.url, stores.redis.url);
  share = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
});
afterAll(async () => {
  await share?.close();
  await world?.close();
  await stores?.stop();
});

const tell = (...entries: Partial<FeedEntry>[]) =>
  publishFeed(
    world.redis,
    entries.map((entry) => ({
      kind: 'open',
      eventId: world.event.id,
      userId: 'somebody',
      sponsorNo: 0,
      amountFen: 1,
      atMs: Date.now(),
      ...entry,
    })),
  );
const leaderboard = (eventId: number | string = world.event.id) => share.call('GET', `/events/${eventId}/leaderboard`);
const pin = (tier: 0 | 1) => {
  const { features } = share.parts;
  features.accept(withTier(features.state(), { mode: 'pinned', tier }, Date.now()));
};

describe('leaderboard', () => {
  it('begins with what the ledger knows, the largest first', async () => {
    const amounts = [await world.open(0, 'user-0'), await world.open(1, 'user-1'), await world.open(2, 'user-2')];
    const { leaders } = leaderboardSchema.parse((await leaderboard()).body);
    expect(leaders.map(({ rank }) => rank)).toEqual([1, 2, 3]);
    expect(leaders.map(({ amountFen }) => amountFen)).toEqual([...amounts].sort((a, b) => b - a));
  });

  it('hears of larger packets by the feed, of grabs and other events it takes none', async () => {
    await tell({ userId: 'grabber', kind: 'grab', amountFen: 900_000 });
    await tell({ userId: 'elsewhere', eventId: world.event.id + 1, amountFen: 900_000 });
    await tell({ userId: 'lucky', amountFen: 800_000 });
    const first = async () => (await leaderboard()).body.leaders[0];
    await eventually(async () => (await first()).userId).toBe('lucky');
    expect(await first()).toMatchObject({ rank: 1, amountFen: 800_000 });
  });

  it.each(['0', '999999', '99999999999', 'x'])('of event %s is unknown', async (eventId) => {
    expect((await leaderboard(eventId)).body.code).toBe('event_unknown');
  });

  it('yields at tier 1 and returns', async () => {
    pin(1);
    const off = await leaderboard();
    expect([off.status, off.body.code]).toEqual([503, 'feature_off']);
    pin(0);
    expect((await leaderboard()).status).toBe(200);
  });
});

/** Opens the feed of an event and collects its items. */
async function listen(eventId: number) {
  const url = `${share.url}/internal/v1/events/${eventId}/feed`;
  const headers = { authorization: `Bearer ${share.parts.config.INTERNAL_TOKEN}` };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers }, resolve).on('error', reject);
  });
  const feed = { status: response.statusCode, text: '', isEnded: false, response };
  response.setEncoding('utf8').on('data', (text: string) => {
    feed.text += text;
  });
  response
    .on('error', () => undefined)
    .on('close', () => {
      feed.isEnded = true;
    });
  return feed;
}
const itemsOf = ({ text }: { text: string }) =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => feedItemSchema.parse(JSON.parse(json!)));

describe('feed', () => {
  it('tells the opens and grabs of its event, and of no other', async () => {
    const feed = await listen(world.event.id);
    await tell({ userId: 'elsewhere', eventId: world.event.id + 1 });
    await tell({ userId: 'one', amountFen: 7 }, { userId: 'two', kind: 'grab', sponsorNo: 1 });
    await eventually(() => itemsOf(feed).length).toBe(2);
    expect(itemsOf(feed)).toMatchObject([
      { kind: 'open', userId: 'one', sponsorId: 'sponsor-0', amountFen: 7 },
      { kind: 'grab', userId: 'two', sponsorId: 'sponsor-1' },
    ]);
    feed.response.destroy();
  });

  it('leaves out what nobody could read: a bounded number of entries in a second', async () => {
    const feed = await listen(world.event.id);
    await tell(...Array.from({ length: 256 }, (_, no) => ({ userId: `flood-${no}` })));
    // told until it gets through: what came before it has been told or left out by then
    await eventually(async () => {
      await tell({ userId: 'after' });
      return itemsOf(feed).some(({ userId }) => userId === 'after');
    }).toBe(true);
    const flood = itemsOf(feed).filter(({ userId }) => userId.startsWith('flood-'));
    expect(flood.length).toBeGreaterThan(0);
    // one message is handed on in a moment, which may be the end of one second and the beginning of the next
    expect(flood.length).toBeLessThanOrEqual(100);
    feed.response.destroy();
  });

  it('ends at tier 1, refuses until it returns, and returns', async () => {
    const feed = await listen(world.event.id);
    pin(1);
    await eventually(() => feed.isEnded).toBe(true);
    expect((await listen(world.event.id)).status).toBe(503);
    pin(0);
    const again = await listen(world.event.id);
    expect(again.status).toBe(200);
    again.response.destroy();
  });

  it('of an unknown event is refused', async () => {
    expect((await listen(999_999)).status).toBe(404);
  });

  it('does not hold up the end of the process', async () => {
    const other = await ShareService.start({ REDIS_URL: stores.redis.url, DATABASE_URL: stores.database.url });
    const feed = await listen(world.event.id);
    await share.close();
    await eventually(() => feed.isEnded).toBe(true);
    share = other;
  });
});
