// Settle: refused until it is possible, the same result however often it dies in between, and a proof that can fail.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpsEvent, Reconciliation } from '#libs/contracts';
import { beginSettlement, closeBlocks, type EventRecord } from '#libs/database';
import { laneOfBlock } from '#libs/domain';
import { addOutstanding, grabLane, openLane, removeOutstanding } from '#libs/queue';
import { closeRedis, createRedis, keys, readStore, resetStock, whenRedisReady } from '#libs/redis';
import { startTestRedis } from '../../../../libs/localservers/src/testing.ts';
import { AllocationRig, type Answer } from '../testing/allocation-rig.ts';
import { planOf } from '../testing/plans.ts';
import type { Issued } from '../testing/test-gateway.ts';
import { SettleEvent } from './settle-event.service.ts';
import { SnapshotBoard } from './snapshot-board.ts';

const wait = { timeout: 30_000, interval: 50 };
let rig: AllocationRig;
beforeAll(async () => {
  rig = await AllocationRig.create();
});
afterAll(async () => {
  await rig?.close();
});

const settle = (event: EventRecord) => rig.allocation.act(String(event.id), 'settle');
const possibleAtOf = ({ body }: Answer<OpsEvent>) => Date.parse(body['possibleAt'] as string);

/** A short event with shares of which some packets were opened and grabbed, closed by now; its shares go on for an hour. */
async function playedEvent(): Promise<{ event: EventRecord; packets: Issued[] }> {
  const event = await rig.arm(
    planOf({ lastsMs: 3000, sharesLastMs: 3_600_000, sponsors: 2, pool: { sharePortions: 3, shareBudgetFen: 640 } }),
  );
  const packets: Issued[] = [];
  await expect.poll(async () => packets.push(...(await rig.gateway.take(event))), wait).toBeGreaterThanOrEqual(64);
  const opened = packets.slice(0, 50);
  const outcomes = await Promise.all(
    opened.map((packet, i) => rig.gateway.open(event, packet, `owner-${event.id}-${i}`)),
  );
  expect(new Set(outcomes.map((outcome) => outcome?.outcome))).toEqual(new Set(['credited']));
  const grabs = await Promise.all(
    opened.slice(0, 10).map((packet, i) => rig.gateway.grab(event, packet, `owner-${event.id}-${i}`, 'friend')),
  );
  expect(new Set(grabs.map((grab) => grab?.outcome))).toEqual(new Set(['credited']));
  await expect.poll(async () => (await rig.record(event.id)).state, wait).toBe('closed');
  return { event, packets };
}

/** Lets the shares of an event end now: an hour is long for a test. */
const endShares = (event: EventRecord) =>
  rig.pool.query('UPDATE events SET shares_end_at = ends_at WHERE id = $1', [event.id]);

describe('settle', () => {
  it('is refused with the time from which it is possible, while the event goes on, while shares are valid and while lanes are busy', async () => {
    const running = await rig.arm(planOf({ lastsMs: 3_600_000 }));
    expect((await settle(running)).body.code).toBe('state_conflict');

    const { event, packets } = await playedEvent();
    const early = await settle(event);
    expect([early.status, early.body.code]).toEqual([409, 'too_early']);
    expect(possibleAtOf(early)).toBe(event.sharesEndAtMs + event.graceMs);
    await endShares(event);

    // an accepted open that is still on its way holds the refund back (invariant 6)
    const { poolId, blockNo } = packets.at(-1)!;
    const lane = openLane(laneOfBlock(poolId, blockNo, event.openLaneCount!));
    await rig.gateway.holdLane(lane, 'still-on-its-way', event.endsAtMs);
    const isBusy = async () => {
      const answer = await settle(event);
      return (
        answer.body.code === 'too_early' && answer.body.detail!.includes(lane) && possibleAtOf(answer) > Date.now()
      );
    };
    await expect.poll(isBusy, wait).toBe(true);
    await rig.gateway.letLaneGo(lane, 'still-on-its-way');
    // what other events have in the lanes by now does not matter
    await addOutstanding(rig.gateway.cache, lane, 'of-another-event', event.endsAtMs + 3_600_000);
    await addOutstanding(rig.gateway.cache, grabLane(0), 'a-grab-of-another-event', event.endsAtMs + 3_600_000);
    expect((await settle(event)).body.state).toBe('settled');
    await removeOutstanding(rig.gateway.cache, lane, ['of-another-event']);
    await removeOutstanding(rig.gateway.cache, grabLane(0), ['a-grab-of-another-event']);
  }, 90_000);

  it('is refused until the time of the last block is past, when more was stocked while an early close was under way', async () => {
    const event = await rig.arm(planOf({ lastsMs: 3_600_000 }));
    await expect.poll(async () => (await rig.gateway.take(event)).length, wait).toBeGreaterThan(0);
    expect((await rig.allocation.act(String(event.id), 'close')).body.state).toBe('closed');
    const lastMs = Date.now() + 600_000;
    const sql = 'UPDATE blocks SET issue_until_ms = $2 WHERE pool_id = $1 AND block_no = 0';
    await rig.pool.query(sql, [event.pools[0]!.poolId, lastMs]);
    const early = await settle(event);
    expect([early.status, early.body.code]).toEqual([409, 'too_early']);
    expect(possibleAtOf(early)).toBe(lastMs + event.ticketTtlMs + event.graceMs);
  });

  it('waits while the lanes are those of a store that was emptied or replaced: they are not quiet, they are gone', async () => {
    const { event } = await playedEvent();
    await endShares(event);
    await expect.poll(async () => Date.now() > event.endsAtMs + event.ticketTtlMs + event.graceMs, wait).toBe(true);
    const redis = await startTestRedis();
    const { parts } = rig.allocation;
    const { logger, moneyPool: pool, prisma, clock, config } = parts.resources;
    const cache = createRedis('cache', redis.url, { name: 'test', log: logger });
    try {
      await whenRedisReady(cache, 10_000);
      const deps = { pool, prisma, clock, cache, logger, reconciler: parts.reconciler, quietWaitMaxMs: 0 };
      const board = new SnapshotBoard(cache, logger, 500);
      const times = { stockLeadMs: config.STOCK_LEAD_MS, receiptGraceMs: config.RECEIPT_GRACE_MS };
      const service = new SettleEvent({ ...deps, board, ...times });
      expect(await service.settle(event.id)).toEqual({ outcome: 'store_away' });
      await cache.set(keys.stamp, 'stamp of another server');
      expect(await service.settle(event.id)).toEqual({ outcome: 'store_away' });
      expect((await rig.record(event.id)).settlingAtMs).toBeUndefined();
      await resetStock(cache, await readStore(cache));
      expect(await service.settle(event.id)).toMatchObject({ outcome: 'done', event: { state: 'settled' } });
    } finally {
      await closeRedis(cache);
      await redis.stop();
    }
  }, 60_000);

  it('books the same refunds however often it is sent at once and wherever it died before', async () => {
    const crashes: Record<string, (event: EventRecord) => Promise<unknown>> = {
      'before its first step': async () => undefined,
      'after booking was ended': (event) => beginSettlement(rig.pool, { eventId: event.id, atMs: Date.now() }),
      'with some blocks closed': async (event) => {
        await beginSettlement(rig.pool, { eventId: event.id, atMs: Date.now() });
        expect(await closeBlocks(rig.pool, { eventId: event.id, limit: 7 })).toBe(7);
      },
      'with all blocks closed': async (event) => {
        await beginSettlement(rig.pool, { eventId: event.id, atMs: Date.now() });
        while ((await closeBlocks(rig.pool, { eventId: event.id, limit: 1000 })) > 0);
      },
    };
    for (const [where, crash] of Object.entries(crashes)) {
      const { event, packets } = await playedEvent();
      await endShares(event);
      const before = await rig.allocation.reconcile(String(event.id));
      await expect.poll(async () => Date.now() > event.endsAtMs + event.ticketTtlMs + event.graceMs, wait).toBe(true);
      await crash(event);
      // whatever it had begun, an open that comes now is refused or was booked before
      const late = await rig.gateway.open(event, packets.at(-1)!, `late-${event.id}`, event.endsAtMs);
      const claimed = late?.outcome === 'credited' ? late.amountFen : 0;
      const answers = await Promise.all([settle(event), settle(event), settle(event)]);
      expect(
        answers.map(({ body }) => body.state),
        where,
      ).toEqual(['settled', 'settled', 'settled']);
      const after = await rig.allocation.reconcile(String(event.id));
      expect(after, where).toMatchObject({ balanced: true, violations: [], unclaimedFen: 0 });
      expect(after.refundedFen, where).toBe(before.unclaimedFen - claimed);
      expect((await settle(event)).body.secret).toBe(answers[0]!.body.secret);
    }
  }, 120_000);
});

describe('the proof', () => {
  it('fails and names the grant, the wallet and the pool when somebody changed the ledger, and nothing is refunded', async () => {
    const { event, packets } = await playedEvent();
    const [packet] = packets;
    const tamper = (sql: string, ...values: unknown[]) =>
      rig.pool.query(
        `SET session_replication_role = replica; ${sql}`.replace(/\$(\d)/g, (_, n) => String(values[Number(n) - 1])),
      );
    try {
      await tamper('UPDATE grants SET amount_fen = amount_fen + 1 WHERE packet_id = $1', packet!.packetId);
      expectNamed(await rig.allocation.reconcile(String(event.id)), `packet ${packet!.packetId}`, 'are derived');

      await tamper(
        "UPDATE transfers SET amount_fen = amount_fen + 1 WHERE kind = 'grant' AND ref = $1",
        packet!.packetId,
      );
      expectNamed(await rig.allocation.reconcile(String(event.id)), `pool ${packet!.poolId}: budget`, 'is not granted');

      await tamper("UPDATE accounts SET balance_fen = balance_fen + 5 WHERE kind = 'wallet' AND name = 'friend'");
      expectNamed(await rig.allocation.reconcile(String(event.id)), 'wallet_balance');
    } finally {
      await rig.pool.query('SET session_replication_role = DEFAULT');
    }
    await endShares(event);
    const { endsAtMs, ticketTtlMs, graceMs } = event;
    await expect.poll(async () => Date.now() > endsAtMs + ticketTtlMs + graceMs, wait).toBe(true);
    const refused = await settle(event);
    expect([refused.status, refused.body.code]).toEqual([409, 'state_conflict']);
    expect(refused.body.detail).toContain('does not add up');
    expect((await rig.allocation.reconcile(String(event.id))).refundedFen).toBe(0);
  });
});

function expectNamed(report: Reconciliation, ...texts: string[]): void {
  expect(report.balanced).toBe(false);
  for (const text of texts) expect(report.violations.join('\n')).toContain(text);
}
