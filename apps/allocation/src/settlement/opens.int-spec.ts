// Opens and grabs through real lanes: limits over lanes, duplicates, items that name nothing, late lanes, deferred grabs.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { historySchema, packetStatusSchema, type Wallet } from '#libs/contracts';
import type { EventRecord } from '#libs/database';
import { initialState, withTier } from '#libs/degradation';
import { laneOfBlock } from '#libs/domain';
import { ChannelSubscriber, createRedis, subscribeFeed, writeDegradation } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { AllocationRig } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';
import { feedEntriesPerBatchMax } from './feed.ts';

const wait = { timeout: 20_000, interval: 50 };
let rig: AllocationRig;
let event: EventRecord;
/** Packets in stock, by sponsor; each test takes some of its own. */
let stock: Issued[][];

beforeAll(async () => {
  rig = await AllocationRig.create();
  event = await rig.arm(
    planOf({
      lastsMs: 600_000,
      sharesLastMs: 1000,
      event: { ticketTtlMs: 600_000 },
      pool: { sharePortions: 2, shareBudgetFen: 640 },
    }),
  );
  stock = [[], [], []];
  const isThere = async () => {
    for (const packet of await rig.gateway.take(event)) stock[packet.sponsorNo]!.push(packet);
    return stock.flat().length === 192;
  };
  await vi.waitUntil(isThere, wait);
});
afterAll(async () => {
  await rig?.close();
});

const takeOne = (sponsorNo: number): Issued => stock[sponsorNo]!.shift()!;
const outcomesOf = (packets: readonly Issued[], user: string) =>
  Promise.all(packets.map(async (packet) => (await rig.gateway.open(event, packet, user))?.outcome));
const grantsOf = async (user: string) => {
  const sql = `SELECT g.packet_id, g.sponsor_no FROM grants g JOIN accounts a ON a.id = g.account_id WHERE a.name = $1`;
  return (await rig.pool.query<{ packet_id: bigint; sponsor_no: number }>(sql, [user])).rows;
};

describe('limits over lanes', () => {
  it('grants exactly three of nine tickets of three sponsors that one user opens at once in several lanes (invariant 5)', async () => {
    for (let round = 0; round < 3; round++) {
      const user = `nine-${round}`;
      const packets = [0, 1, 2].flatMap((sponsorNo) => Array.from({ length: 3 }, () => takeOne(sponsorNo)));
      const lanes = new Set(packets.map(({ poolId, blockNo }) => laneOfBlock(poolId, blockNo, event.openLaneCount!)));
      expect(lanes.size).toBeGreaterThan(1);
      const outcomes = await outcomesOf(packets, user);
      expect(outcomes.filter((outcome) => outcome === 'credited')).toHaveLength(3);
      expect(outcomes.every((outcome) => outcome !== undefined)).toBe(true);
      for (const outcome of outcomes) expect(['credited', 'limit', 'sponsor_limit']).toContain(outcome);
      expect((await grantsOf(user)).map(({ sponsor_no }) => sponsor_no).sort()).toEqual([0, 1, 2]);
      // asked again, each ticket has the same outcome (invariant 7)
      expect(await outcomesOf(packets, user)).toEqual(outcomes);
    }
  });

  it('says of each ticket what became of it, by whatever way it was denied, and nothing of one that was not opened', async () => {
    const [mine, second, others] = [takeOne(0), takeOne(0), takeOne(1)];
    await rig.gateway.open(event, mine, 'status-user');
    await rig.gateway.open(event, others, 'status-other');
    const denied = await rig.gateway.open(event, others, 'status-user');
    expect(denied?.outcome).toBe('taken');
    const credited = await rig.allocation.status(mine.packetId, 'status-user');
    expect(packetStatusSchema.parse(credited)).toMatchObject({
      status: 'credited',
      sponsorNo: 0,
      portions: 2,
      epoch: 1,
    });
    const status = async (packet: Issued, user: string, epoch?: number) =>
      (await rig.allocation.status(packet.packetId, user, epoch)).status;
    expect(await status(second, 'status-user', 1)).toBe('open');
    expect((await rig.gateway.open(event, second, 'status-user'))?.outcome).toBe('sponsor_limit');
    expect(await status(second, 'status-user', 1)).toBe('sponsor_limit');
    expect(await status(others, 'status-user', 1)).toBe('taken');
    expect(await status(others, 'status-user')).toBe('open');
    expect(await status(mine, 'status-user', 1)).toBe('credited');
    expect(await status(mine, 'nobody-yet', 1)).toBe('open');
    expect((await rig.allocation.status('1', 'status-user')).status).toBe('unknown');
    expect((await rig.allocation.call('GET', '/packets/x?userId=u')).body.code).toBe('bad_request');
    expect((await rig.allocation.call('GET', '/packets/1?userId=-')).body.code).toBe('bad_request');
  });
});

describe('jobs that run more than once', () => {
  it('books an open once however often and however concurrently it is sent, and answers each the same (invariants 1, 7)', async () => {
    const packet = takeOne(0);
    const acceptedAtMs = rig.gateway.nowMs();
    const sends = Array.from({ length: 8 }, () => rig.gateway.open(event, packet, 'again-and-again', acceptedAtMs));
    const outcomes = await Promise.all(sends);
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
    const outcome = outcomes[0]!;
    expect(outcome.outcome).toBe('credited');
    expect(await grantsOf('again-and-again')).toHaveLength(1);
    const wallet = (await rig.allocation.call<Wallet>('GET', '/users/again-and-again/wallet')).body;
    expect(wallet.balanceFen).toBe('amountFen' in outcome ? outcome.amountFen : 0);
  });

  it('gives a packet that two users claim to one of them, and says so to both', async () => {
    const packet = takeOne(0);
    const outcomes = await Promise.all(['claim-a', 'claim-b'].map((user) => rig.gateway.open(event, packet, user)));
    expect(outcomes.map((outcome) => outcome?.outcome).sort()).toEqual(['credited', 'taken']);
  });
});

describe('items that name nothing', () => {
  it('says expired to an unknown event, a pool of another event, a block that was never stocked and numbers of no ticket', async () => {
    const packet = takeOne(0);
    const other = await rig.arm(planOf({ startsInMs: 60_000 }));
    const strange: Issued[] = [
      { ...packet, eventId: 2_000_000_000 },
      { ...packet, eventId: 2 ** 40 },
      { ...packet, eventId: other.id },
      { ...packet, packetId: packet.packetId + 1n },
      { ...packet, packetId: packet.packetId + (1n << 38n) },
      { ...packet, sponsorNo: 2 },
      { ...packet, sponsorNo: 2 ** 40 },
      { ...packet, epoch: 2 },
      { ...packet, epoch: 2 ** 40 },
      { ...packet, epoch: -1 },
    ];
    expect(await outcomesOf(strange, 'stranger')).toEqual(strange.map(() => 'expired'));
    expect(await grantsOf('stranger')).toEqual([]);
    expect(await outcomesOf([packet], 'stranger')).toEqual(['credited']);
  });
});

describe('reads', () => {
  it('pages through the history of a user, newest first, and knows nothing of a new one', async () => {
    const packets = [takeOne(0), takeOne(1), takeOne(2)];
    for (const packet of packets) await rig.gateway.open(event, packet, 'reader');
    const read = async (query: string) =>
      historySchema.parse((await rig.allocation.call('GET', `/users/reader/packets?${query}`)).body);
    const first = await read('limit=2');
    const second = await read(`limit=2&cursor=${first.nextCursor}`);
    const ids = [...first.packets, ...second.packets].map(({ packetId }) => packetId);
    expect(ids).toEqual(packets.map(({ packetId }) => String(packetId)).reverse());
    expect(second.nextCursor).toBeUndefined();
    expect((await rig.allocation.call('GET', '/users/reader/packets?cursor=x')).body.code).toBe('bad_request');
    expect((await rig.allocation.call('GET', '/users/reader/packets?limit=51')).body.code).toBe('bad_request');
    expect((await rig.allocation.call<Wallet>('GET', '/users/never-seen/wallet')).body.balanceFen).toBe(0);
  });
});

describe('grabs', () => {
  it('waits for the owner, then gives each friend one portion, once, until none is left', async () => {
    const packet = takeOne(2);
    const grab = async (user: string) => (await rig.gateway.grab(event, packet, 'sharer', user))?.outcome;
    expect(await grab('friend-1')).toBe('no_grant_yet');
    await rig.gateway.open(event, packet, 'sharer');
    expect(await grab('friend-1')).toBe('credited');
    expect(await rig.gateway.grab(event, packet, 'sharer', 'friend-1')).toMatchObject({
      outcome: 'credited',
      portion: 1,
    });
    expect(await grab('friend-2')).toBe('credited');
    expect(await grab('friend-3')).toBe('empty');
    expect((await rig.gateway.grab(event, packet, 'somebody-else', 'friend-4'))?.outcome).toBe('taken');
    expect(await rig.allocation.reconcile(String(event.id))).toMatchObject({ balanced: true, violations: [] });
  });

  it('are settled later, and none is refused, while a tier defers them', async () => {
    const isDeferred = async () => (await rig.allocation.parts.resources.metrics.grabsDeferred.get()).values[0]!.value;
    const [packet, cache] = [takeOne(2), rig.gateway.cache];
    await rig.gateway.open(event, packet, 'deferred-owner');
    const pinned = withTier(initialState(), { mode: 'pinned', tier: 3 }, rig.gateway.nowMs());
    await writeDegradation(cache, pinned);
    await expect.poll(isDeferred, wait).toBe(1);
    const grabs = await Promise.all(
      ['deferred-1', 'deferred-2'].map((user) => rig.gateway.grab(event, packet, 'deferred-owner', user)),
    );
    expect(grabs.map((grab) => grab?.outcome)).toEqual(['credited', 'credited']);
    await writeDegradation(cache, withTier(pinned, { mode: 'auto' }, rig.gateway.nowMs()));
    await expect.poll(isDeferred, wait).toBe(0);
  });
});

describe('the feed', () => {
  it('hears of what was newly booked, and of nothing twice', async () => {
    const log = createLogger('test', 'silent');
    const channels = new ChannelSubscriber(createRedis('subscriber', rig.redis.url, { name: 'test.feed', log }), log);
    const heard: string[] = [];
    subscribeFeed(channels, (entries) => {
      expect(entries.length).toBeLessThanOrEqual(feedEntriesPerBatchMax);
      heard.push(...entries.map(({ userId }) => userId));
    });
    expect(await channels.whenSubscribed(10_000)).toBe(true);
    const [first, last] = [takeOne(0), takeOne(1)];
    await rig.gateway.open(event, first, 'in-the-feed');
    await rig.gateway.open(event, first, 'in-the-feed');
    await rig.gateway.open(event, last, 'last-in-the-feed');
    await expect.poll(() => heard.includes('last-in-the-feed'), wait).toBe(true);
    expect(heard.filter((user) => user === 'in-the-feed')).toHaveLength(1);
    await channels.close();
  });
});
