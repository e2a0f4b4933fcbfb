import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EventSnapshot } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { ChannelSubscriber } from './channel-subscriber.ts';
import { EventReader, publishEvents, removeEvents, subscribeEventsChanged } from './events.ts';
import { listGatewaySamples, readIssued, writeFigures } from './figures.ts';
import { keys } from './keys.ts';
import { createRedis, type RedisClient } from './redis-client.ts';
import { StoreClock } from './store-clock.ts';
import { recordingLog, silentLog, startTestStore, type TestStore } from './testing.ts';

const snapshot = (id: number, title = `event ${id}`): EventSnapshot => ({
  id,
  title,
  state: 'live',
  startsAtMs: 1,
  endsAtMs: 2,
  sharesEndAtMs: 3,
  perUserMax: 3,
  ticketTtlMs: 4,
  staggerMs: 5,
  shakeIntervalMs: 6,
  stockLeadMs: 7,
  graceMs: 2000,
  openLaneCount: 4,
  grabLaneCount: 2,
  sponsors: [{ no: 0, id: 's', name: 'S' }],
  waves: [{ no: 1, startsAtMs: 1, durationMs: 1 }],
  pools: [
    {
      poolId: 1,
      waveNo: 1,
      sponsorNo: 0,
      packetCount: 256,
      blockSize: 8,
      blockLifeMs: 8,
      sharePortions: 0,
      releaseCurve: 'even',
    },
  ],
  secretCommitment: 'c',
});

describe('events and figures in Redis', () => {
  let redis: LocalServer;
  let store: TestStore;
  let client: RedisClient;

  beforeAll(async () => {
    store = await startTestStore();
    ({ redis, client } = store);
  });
  afterAll(() => store.stop());
  beforeEach(async () => {
    await client.flushall();
  });

  it('tells who listens that the board changed, and only then', async () => {
    const channels = new ChannelSubscriber(
      createRedis('subscriber', redis.url, { name: 'test', log: silentLog }),
      silentLog,
    );
    let told = 0;
    subscribeEventsChanged(channels, () => {
      told += 1;
    });
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await publishEvents(client, [snapshot(1)]);
    await publishEvents(client, [snapshot(1)]);
    await publishEvents(client, [snapshot(1, 'new title')]);
    await expect.poll(() => told, { timeout: 10_000 }).toBe(2);
    await channels.close();
  });

  it('shows the events that were published, writing only what differs', async () => {
    // Proves idempotent publication and that a reader sees each change.
    const reader = new EventReader(client);
    expect(await reader.read()).toEqual([]);
    expect(await publishEvents(client, [snapshot(1), snapshot(2)])).toEqual({ changed: 2 });
    expect(await publishEvents(client, [snapshot(1), snapshot(2)])).toEqual({ changed: 0 });
    expect(await reader.read()).toEqual([snapshot(1), snapshot(2)]);
    expect(await publishEvents(client, [snapshot(1, 'new title'), snapshot(2)])).toEqual({ changed: 1 });
    expect(await reader.read()).toEqual([snapshot(1, 'new title'), snapshot(2)]);
    await removeEvents(client, [1]);
    expect(await reader.read()).toEqual([snapshot(2)]);
  });

  it('gives the same objects while nothing changed', async () => {
    // Proves that a reader may key its own work by identity.
    await publishEvents(client, [snapshot(1), snapshot(2)]);
    const reader = new EventReader(client);
    const first = await reader.read();
    expect(await reader.read()).toBe(first);
    await publishEvents(client, [snapshot(2, 'new title')]);
    const second = await reader.read();
    expect(second).not.toBe(first);
    expect(second.find(({ id }) => id === 1)).toBe(first.find(({ id }) => id === 1));
  });

  it('shows what is there after a flush', async () => {
    // Proves that a reader does not hold on to a board that was lost and built anew.
    const reader = new EventReader(client);
    await publishEvents(client, [snapshot(1)]);
    expect(await reader.read()).toHaveLength(1);
    await client.flushall();
    expect(await reader.read()).toEqual([]);
    await publishEvents(client, [snapshot(2)]);
    expect(await reader.read()).toEqual([snapshot(2)]);
  });

  it.each([
    ['of another version', JSON.stringify({ id: 2 })],
    ['that is no JSON', '{"id":'],
  ])('leaves out and logs an event %s', async (_what, text) => {
    // Proves that one snapshot which this version cannot read does not hide the others.
    const log = recordingLog();
    await publishEvents(client, [snapshot(1)]);
    await client.hset(keys.events, '2', text, 'revision', 'x');
    expect(await new EventReader(client, log).read()).toEqual([snapshot(1)]);
    expect(log.lines).toHaveLength(1);
  });

  it("writes a gateway's sample and adds up issued packets by pool, in one command", async () => {
    // Proves the counters' sums.
    const figures = { id: 'c', sample: {}, sampleTtlMs: 1 };
    await writeFigures(client, { ...figures, issued: new Map([[1, 5], [2, 1], [3, 0]]) }); // biome-ignore format: pairs
    await writeFigures(client, { ...figures, issued: new Map([[1, 2]]) });
    expect(await readIssued(client)).toEqual(new Map([[1, 7], [2, 1]])); // biome-ignore format: pairs
    await expect.poll(() => client.exists(keys.gateway('c')), { timeout: 10_000 }).toBe(0);
    await listGatewaySamples(client);
  });

  it('lists the gateways that gave a sample lately', async () => {
    // Proves that a sample replaces the former, and that one which expired leaves list and registry.
    await writeFigures(client, { id: 'b', sample: { shakes: 1 }, sampleTtlMs: 60_000 });
    await writeFigures(client, { id: 'a', sample: { shakes: 2 }, sampleTtlMs: 60_000 });
    await writeFigures(client, { id: 'a', sample: { shakes: 3 }, sampleTtlMs: 60_000 });
    expect(await client.pttl(keys.gateway('a'))).toBeGreaterThan(0);
    expect(await listGatewaySamples(client)).toEqual([
      { id: 'a', sample: { shakes: 3 } },
      { id: 'b', sample: { shakes: 1 } },
    ]);
    await client.del(keys.gateway('b'));
    expect(await listGatewaySamples(client)).toEqual([{ id: 'a', sample: { shakes: 3 } }]);
    expect(await client.smembers(keys.gateways)).toEqual(['a']);
  });

  it('knows the store clock within its error', async () => {
    // Proves that the clock lies between two readings of the store, but for the error that it states.
    const clock = new StoreClock(client);
    expect(clock.nowMs()).toBeUndefined();
    clock.start();
    expect(await clock.whenReady(10_000)).toBe(true);
    const before = await readMs();
    const now = clock.nowMs()!;
    const errorMs = clock.errorMs()! + 1;
    const after = await readMs();
    expect(now).toBeGreaterThanOrEqual(before - errorMs);
    expect(now).toBeLessThanOrEqual(after + errorMs);
    clock.stop();
  });

  async function readMs(): Promise<number> {
    const [seconds, microseconds] = await client.time();
    return Number(seconds) * 1000 + Number(microseconds) / 1000;
  }
});
