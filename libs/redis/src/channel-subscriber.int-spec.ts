import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DegradationState, FeedEntry } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { ChannelSubscriber } from './channel-subscriber.ts';
import { readDegradation, subscribeDegradation, writeDegradation } from './degradation.ts';
import { publishFeed, subscribeFeed } from './feed.ts';
import { closeRedis, createRedis, type RedisClient, whenRedisReady } from './redis-client.ts';
import { publishReply, subscribeReplies } from './replies.ts';
import { recordingLog, silentLog } from './testing.ts';

describe('channels', () => {
  let redis: LocalServer;
  let client: RedisClient;
  let channels: ChannelSubscriber;
  let log: ReturnType<typeof recordingLog>;

  beforeEach(async () => {
    redis = await startTestRedis();
    log = recordingLog();
    client = createRedis('cache', redis.url, { name: 'test', log: silentLog });
    channels = new ChannelSubscriber(createRedis('subscriber', redis.url, { name: 'test.subscriber', log }), log);
    expect(await whenRedisReady(client, 10_000)).toBe(true);
  });
  afterEach(async () => {
    await channels.close();
    await closeRedis(client);
    await redis.stop();
  });

  it('bring messages to the listeners of their channel alone', async () => {
    // Proves delivery by channel, to several listeners, until each has left.
    const heard: string[] = [];
    const leave = channels.subscribe('a', (message) => heard.push(`first ${message}`));
    channels.subscribe('a', (message) => heard.push(`second ${message}`));
    channels.subscribe('b', (message) => heard.push(`b ${message}`));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await client.publish('a', '1');
    await client.publish('b', '2');
    await vi.waitFor(() => expect(heard).toEqual(['first 1', 'second 1', 'b 2']));
    leave();
    await client.publish('a', '3');
    await vi.waitFor(() => expect(heard.at(-1)).toBe('second 3'));
    expect(heard).not.toContain('first 3');
  });

  it('leave a channel with their last listener', async () => {
    // Proves that subscriptions do not pile up on the server.
    const leave = channels.subscribe('a', () => undefined);
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    expect(await client.pubsub('NUMSUB', 'a')).toEqual(['a', 1]);
    leave();
    await vi.waitFor(async () => expect(await client.pubsub('NUMSUB', 'a')).toEqual(['a', 0]));
  });

  it('are kept over a restart of Redis, and made when it was down at the start', async () => {
    // Proves that a process which started before Redis, or outlived it, hears again.
    const heard: string[] = [];
    channels.subscribe('a', (message) => heard.push(message));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await redis.kill();
    const late = new ChannelSubscriber(createRedis('subscriber', redis.url, { name: 'late', log }), log);
    late.subscribe('a', (message) => heard.push(message));
    expect(await late.whenSubscribed(50)).toBe(false);
    await redis.restart();
    expect(await late.whenSubscribed(20_000)).toBe(true);
    expect(await channels.whenSubscribed(20_000)).toBe(true);
    expect(await whenRedisReady(client, 20_000)).toBe(true);
    await client.publish('a', 'again');
    await vi.waitFor(() => expect(heard).toEqual(['again', 'again']));
    await late.close();
  });

  it('survive a message that a listener cannot use', async () => {
    // Proves that one bad message is logged and neither ends the process nor keeps others from hearing.
    const heard: string[] = [];
    channels.subscribe('a', (message) => JSON.parse(message));
    channels.subscribe('a', (message) => heard.push(message));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await client.publish('a', 'not JSON');
    await vi.waitFor(() => expect(heard).toEqual(['not JSON']));
    expect(log.lines.map(({ message }) => message)).toEqual(['a message could not be used']);
  });

  it('carry replies by producer, and the feed', async () => {
    // Proves the two message formats end to end.
    const replies: string[] = [];
    const fed: FeedEntry[][] = [];
    subscribeReplies(channels, 'gateway-1', (message) => replies.push(message));
    subscribeFeed(channels, (entries) => fed.push(entries));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await publishReply(client, 'gateway-2', { jobId: 'other', outcomes: [] });
    await publishReply(client, 'gateway-1', { jobId: 'j1', outcomes: [{ outcome: 'taken' }] });
    const entry: FeedEntry = { kind: 'open', eventId: 1, userId: 'u', sponsorNo: 0, amountFen: 5, atMs: 7 };
    await publishFeed(client, []);
    await publishFeed(client, [entry]);
    await vi.waitFor(() => expect(fed).toEqual([[entry]]));
    expect(replies.map((text) => JSON.parse(text))).toEqual([{ jobId: 'j1', outcomes: [{ outcome: 'taken' }] }]);
  });

  const state = (version: number): DegradationState => ({
    version,
    mode: 'auto',
    autoTier: 2,
    features: { feed: { state: 'off' } },
    updatedAtMs: 1,
  });

  it('carry a degradation state whose version grew, and no other', async () => {
    // Proves last-writer-wins by version, for readers and for listeners.
    const heard: number[] = [];
    subscribeDegradation(channels, ({ version }) => heard.push(version));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    expect(await readDegradation(client)).toBeUndefined();
    expect(await writeDegradation(client, state(3))).toEqual({ status: 'ok' });
    expect(await writeDegradation(client, state(3))).toEqual({ status: 'stale', version: 3 });
    expect(await writeDegradation(client, state(2))).toEqual({ status: 'stale', version: 3 });
    expect(await writeDegradation(client, state(10))).toEqual({ status: 'ok' });
    expect(await readDegradation(client)).toEqual(state(10));
    await vi.waitFor(() => expect(heard).toEqual([3, 10]));
  });
});
