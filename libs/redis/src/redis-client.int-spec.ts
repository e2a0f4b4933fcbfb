import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LocalServer } from '#libs/localservers';
import { startTestRedis } from '../../localservers/src/testing.ts';
import { closeRedis, createRedis, type RedisClient, type RedisRole, whenRedisReady } from './redis-client.ts';
import { isRedisAway } from './redis-errors.ts';
import { recordingLog } from './testing.ts';

const failingFast = ['producer', 'cache'] as const;

describe('createRedis', () => {
  let redis: LocalServer;
  let clients: RedisClient[];
  let log: ReturnType<typeof recordingLog>;

  beforeEach(async () => {
    redis = await startTestRedis();
    clients = [];
    log = recordingLog();
  });
  afterEach(async () => {
    await Promise.all(clients.map(closeRedis));
    await redis.stop();
  });

  function connect(role: RedisRole, commandTimeoutMs = 1000): RedisClient {
    const client = createRedis(role, redis.url, { name: `test.${role}`, log, commandTimeoutMs });
    clients.push(client);
    return client;
  }

  const failureOf = async (work: Promise<unknown>): Promise<unknown> =>
    await work.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    );

  it.each(failingFast)('as %s fails at once while Redis is down and works when it is up', async (role) => {
    // Proves that nothing hangs when Redis was down at the start, and that the connection is not dead for it.
    await redis.kill();
    const client = connect(role);
    const failure = await failureOf(client.set('a', '1'));
    expect(isRedisAway(failure)).toBe(true);
    expect(String(failure)).toContain('enableOfflineQueue');
    expect(isRedisAway(await failureOf(client.evalsha('0'.repeat(40), 0)))).toBe(true);
    await redis.restart();
    expect(await whenRedisReady(client, 20_000)).toBe(true);
    expect(await client.set('a', '1')).toBe('OK');
  });

  it.each(failingFast)('as %s gives up a command that Redis does not answer', async (role) => {
    // Proves that a frozen server cannot hold a request beyond the command timeout.
    const client = connect(role, 100);
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    process.kill(redis.pid, 'SIGSTOP');
    const failure = await failureOf(client.set('a', '1'));
    process.kill(redis.pid, 'SIGCONT');
    expect(isRedisAway(failure)).toBe(true);
  });

  it('replaces a connection on which Redis has fallen silent', async () => {
    // Proves that unanswered commands do not gather on a dead socket for ever.
    const client = connect('producer', 100);
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    process.kill(redis.pid, 'SIGSTOP');
    const failures = await Promise.all([1, 2, 3].map(() => failureOf(client.incr('a'))));
    await vi.waitFor(() => expect(client.status).not.toBe('ready'), 10_000);
    process.kill(redis.pid, 'SIGCONT');
    expect(failures.every(isRedisAway)).toBe(true);
    expect(await whenRedisReady(client, 20_000)).toBe(true);
    expect(client.commandQueue.length).toBe(0);
  });

  it('as producer does not send a command again whose reply was lost', async () => {
    // Proves that an unknown outcome stays the caller's to judge.
    const client = connect('producer');
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    process.kill(redis.pid, 'SIGSTOP');
    const failing = failureOf(client.incr('count'));
    await redis.kill();
    expect(isRedisAway(await failing)).toBe(true);
    await redis.restart();
    expect(await whenRedisReady(client, 20_000)).toBe(true);
    expect(await client.get('count')).toBeNull();
  });

  it('as worker waits until Redis is back and then has its answer', async () => {
    // Proves that a worker's command survives an outage.
    const client = connect('worker');
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    await redis.kill();
    const answer = client.set('a', '1');
    await redis.restart();
    expect(await answer).toBe('OK');
  });

  it('logs an outage once when it begins and once when it ends', async () => {
    // Proves that a long outage does not fill the log.
    const client = connect('cache');
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    await redis.kill();
    let attempts = 0;
    client.on('reconnecting', () => {
      attempts += 1;
    });
    await vi.waitFor(() => expect(attempts).toBeGreaterThan(3), 20_000);
    await redis.restart();
    expect(await whenRedisReady(client, 20_000)).toBe(true);
    await vi.waitFor(() => expect(log.lines.map(({ message }) => message)).toEqual(['Redis is away', 'Redis is back']));
  });

  it('is closed in any state', async () => {
    // Proves that shutdown does not hang on a Redis that is away, and that `whenRedisReady` learns of it.
    const ready = connect('cache');
    expect(await whenRedisReady(ready, 10_000)).toBe(true);
    await closeRedis(ready);
    expect(ready.status).toBe('end');
    await redis.kill();
    const away = connect('worker');
    const isReady = whenRedisReady(away, 200);
    await closeRedis(away);
    expect(await isReady).toBe(false);
  });

  it('says that a refused command is a defect, not an outage', async () => {
    // Proves that wrong types and syntax are not waved through as "away".
    const client = connect('cache');
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    await client.set('text', 'a');
    expect(isRedisAway(await failureOf(client.zcard('text')))).toBe(false);
  });

  it('says that a full Redis cannot serve now', async () => {
    // Proves that a refused write is answered as "later", not as a defect.
    const client = connect('cache');
    expect(await whenRedisReady(client, 10_000)).toBe(true);
    await client.config('SET', 'maxmemory', '1');
    expect(isRedisAway(await failureOf(client.set('a', '1')))).toBe(true);
  });
});
