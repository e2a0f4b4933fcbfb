// The lease of the one who sets the tier: one holder at a time, ended by the store's clock, and nothing is written without it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DegradationState } from '#libs/contracts';
import type { LocalServer } from '#libs/localservers';
import { ChannelSubscriber } from './channel-subscriber.ts';
import { readDegradation, subscribeDegradation, writeDegradation } from './degradation.ts';
import { keys } from './keys.ts';
import { createRedis, type RedisClient } from './redis-client.ts';
import { silentLog, startTestStore, type TestStore } from './testing.ts';
import { holdTierLease, releaseTierLease, writeDegradationAsLeader } from './tier-lease.ts';

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

const leaseMs = 60_000;
const hold = (holderId: string) => holdTierLease(client, { holderId, leaseMs });
const document = (version: number, autoTier = 0): DegradationState => ({
  version,
  mode: 'auto',
  autoTier,
  features: {},
  updatedAtMs: 1,
});
/** What happens to a holder that is stopped, cut off or dead. */
const endLease = async () => void (await client.pexpire(keys.tierLeader, 0));

describe('the lease', () => {
  it('is one process’s at a time, for as long as it keeps it', async () => {
    expect(await hold('a')).toEqual({ status: 'taken' });
    expect(await hold('a')).toEqual({ status: 'kept' });
    expect(await hold('b')).toMatchObject({ status: 'other', holder: 'a' });
    const both = await Promise.all(['a', 'b', 'b', 'a'].map(hold));
    expect(both.map(({ status }) => status)).toEqual(['kept', 'other', 'other', 'kept']);
  });

  it('ends by the clock of the store and is begun anew by each keeping', async () => {
    await holdTierLease(client, { holderId: 'a', leaseMs: 40 });
    await hold('a');
    expect(await client.pttl(keys.tierLeader)).toBeGreaterThan(leaseMs / 2);
    await holdTierLease(client, { holderId: 'a', leaseMs: 40 });
    await expect.poll(async () => (await hold('b')).status, { timeout: 10_000 }).toBe('taken');
    expect(await hold('a')).toMatchObject({ status: 'other', holder: 'b' });
  });

  it('that ended and is taken again by the same one is taken, not kept', async () => {
    await hold('a');
    await endLease();
    expect(await hold('a')).toEqual({ status: 'taken' });
  });

  it('is given back by its holder alone', async () => {
    await hold('a');
    await releaseTierLease(client, 'b');
    expect(await hold('b')).toMatchObject({ status: 'other' });
    await releaseTierLease(client, 'a');
    expect(await hold('b')).toEqual({ status: 'taken' });
  });

  it('tells others what its holder saw', async () => {
    const watch = { leader: 'a', atMs: 5, readings: { open_lane_age: 7 } };
    await holdTierLease(client, { holderId: 'a', leaseMs, watch });
    expect(await hold('b')).toEqual({ status: 'other', holder: 'a', watch });
    await hold('a');
    expect(await hold('b')).toMatchObject({ watch });
    await releaseTierLease(client, 'a');
    await hold('c');
    expect(await hold('b')).toEqual({ status: 'other', holder: 'c', watch: undefined });
  });
});

describe('what the leader writes', () => {
  it('is written and told, if it is newer', async () => {
    const channels = new ChannelSubscriber(
      createRedis('subscriber', redis.url, { name: 'test', log: silentLog }),
      silentLog,
    );
    const told: number[] = [];
    subscribeDegradation(channels, ({ version }) => told.push(version));
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    await hold('a');
    expect(await writeDegradationAsLeader(client, 'a', document(3, 2))).toBe('ok');
    expect(await writeDegradationAsLeader(client, 'a', document(3, 4))).toBe('stale');
    expect(await writeDegradationAsLeader(client, 'a', document(2, 4))).toBe('stale');
    expect(await readDegradation(client)).toEqual(document(3, 2));
    await writeDegradation(client, document(4));
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([3, 4]);
    await channels.close();
  });

  it('is not written without the lease: never held, ended, or another one’s', async () => {
    const write = (holderId: string) => writeDegradationAsLeader(client, holderId, document(9, 5));
    expect(await write('a')).toBe('not_leader');
    await hold('a');
    await endLease();
    expect(await write('a')).toBe('not_leader');
    await hold('b');
    expect(await write('a')).toBe('not_leader');
    expect(await readDegradation(client)).toBeUndefined();
    expect(await write('b')).toBe('ok');
  });

  it('and the lease lie on one node of a Redis Cluster', () => {
    // what is between the first braces decides; without braces the whole key
    const taggedBy = (key: string) => /\{([^}]+)\}/.exec(key)?.[1] ?? key;
    const nodes = [keys.degradation, keys.tierLeader, keys.tierWatch].map(taggedBy);
    expect(new Set(nodes)).toEqual(new Set([keys.degradation]));
  });
});
