import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivePortions } from '#libs/domain';
import { inSnapshot } from './pool.ts';
import type { EventRecord, PoolRecord } from './read/load-events.ts';
import { findViolations, violationRules } from './sql/find-violations.sql.ts';
import { readPoolSums } from './sql/pool-sums.sql.ts';
import { settleGrabs } from './sql/settle-grabs.sql.ts';
import { type OpenClaim, settleOpens } from './sql/settle-opens.sql.ts';
import { streamGrabs, streamGrants } from './sql/stream-ledger.sql.ts';
import { amountOf, draftOf, grabOf, openOf, packetIdsOf, startEvent, t0, testSecret } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

/** An event with grants and grabs in both of its pools. */
async function busyEvent(): Promise<{ event: EventRecord; opens: OpenClaim[] }> {
  const event = await startEvent(db, draftOf(2));
  const opens = [0, 1].flatMap((sponsorNo) =>
    Array.from({ length: 20 }, (_, n) => openOf(event, `u${event.id}-${n}`, { sponsorNo, n: n * 3 })),
  );
  await settleOpens(db.pool, opens);
  const grabs = opens.flatMap((open, i) =>
    [1, 2].slice(i % 2).map((step) => grabOf(event, open, `u${event.id}-${(i + step) % 20}`)),
  );
  await settleGrabs(db.pool, grabs);
  return { event, opens };
}

/** What nobody has, from the derived amounts alone. */
async function unclaimedFen(pool: PoolRecord): Promise<number> {
  const granted = new Set<bigint>();
  const taken = new Map<bigint, Set<number>>();
  for await (const page of streamGrants(db.pool, { poolId: pool.poolId, pageSize: 7 })) {
    for (const { packetId } of page) granted.add(packetId);
  }
  for await (const page of streamGrabs(db.pool, { poolId: pool.poolId, pageSize: 7 })) {
    for (const { packetId, portion } of page) taken.set(packetId, (taken.get(packetId) ?? new Set()).add(portion));
  }
  let unclaimed = 0;
  for (const packetId of packetIdsOf(pool)) {
    if (!granted.has(packetId)) unclaimed += amountOf(pool, packetId);
    derivePortions(testSecret, pool, packetId).forEach((portionFen, i) => {
      if (!taken.get(packetId)?.has(i + 1)) unclaimed += portionFen;
    });
  }
  return unclaimed;
}

describe('the equation', () => {
  it('budget = granted + grabbed + refunded + unclaimed, with unclaimed derived anew (invariant 8)', async () => {
    const { event, opens } = await busyEvent();
    const sums = await inSnapshot(db.pool, (client) => readPoolSums(client, event.id));
    expect(
      sums.map(({ grantedPackets, grabbedPortions, stockedPackets }) => [
        grantedPackets,
        grabbedPortions,
        stockedPackets,
      ]),
    ).toEqual([
      [20, 30, 64],
      [20, 30, 64],
    ]);
    for (const [i, pool] of event.pools.entries()) {
      const { fundedFen, grantedFen, grabbedFen, refundedFen } = sums[i]!;
      expect(fundedFen).toBe(pool.budgetFen + pool.shareBudgetFen);
      expect(grantedFen).toBe(
        opens.filter(({ sponsorNo }) => sponsorNo === i).reduce((sum, open) => sum + open.amountFen, 0),
      );
      expect(grantedFen + grabbedFen + refundedFen + (await unclaimedFen(pool))).toBe(fundedFen);
    }
  });

  it('streams each page once and ends, also when the last page is full', async () => {
    const { event } = await busyEvent();
    const pagesOf = async (pageSize: number) => {
      const pages: number[] = [];
      for await (const page of streamGrants(db.pool, { poolId: event.pools[0]!.poolId, pageSize }))
        pages.push(page.length);
      return pages;
    };
    expect(await pagesOf(10)).toEqual([10, 10]);
    expect(await pagesOf(15)).toEqual([15, 5]);
    expect(await pagesOf(100)).toEqual([20]);
    for await (const _ of streamGrants(db.pool, { poolId: 16_777_215, pageSize: 10 })) expect.unreachable();
  });
});

describe('findViolations', () => {
  it('finds nothing in a sound ledger', async () => {
    const { event } = await busyEvent();
    expect(
      await inSnapshot(db.pool, (client) => findViolations(client, { eventId: event.id, limitPerRule: 5 })),
    ).toEqual([]);
  });

  /** What a fault of program or operator would do, past triggers and foreign keys; `$1` is the event. */
  const corruptions: Readonly<Record<string, string>> = {
    transfer_accounts: "UPDATE transfers SET credit_account = 999999999 WHERE event_id = $1 AND kind = 'fund'",
    transfer_event: "UPDATE transfers SET event_id = 999999 WHERE event_id = $1 AND kind = 'grant'",
    fund: "UPDATE transfers SET amount_fen = amount_fen - 1 WHERE event_id = $1 AND kind = 'fund'",
    refund: `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
      SELECT 'refund', id, 0, account_id, 1, 5, $1, id FROM pools WHERE event_id = $1`,
    overdrawn: "UPDATE transfers SET amount_fen = 100 WHERE event_id = $1 AND kind = 'fund'",
    grant_transfer: 'UPDATE grants SET amount_fen = amount_fen + 1 WHERE event_id = $1 AND ordinal = 1',
    grab_transfer: 'DELETE FROM grabs WHERE event_id = $1 AND portion = 2',
    wallet_balance: `UPDATE accounts SET balance_fen = balance_fen + 1
      WHERE id IN (SELECT account_id FROM grants WHERE event_id = $1)`,
    per_user_max: 'UPDATE events SET per_user_max = 1 WHERE id = $1',
    one_per_sponsor: `UPDATE pools SET sponsor_no = 0 WHERE event_id = $1`,
    grant_plan: 'UPDATE pools SET max_fen = 100, min_fen = 100 WHERE event_id = $1',
    grant_block: 'UPDATE grants SET epoch = 2 WHERE event_id = $1 AND ordinal = 1',
    grab_plan: 'DELETE FROM grabs WHERE event_id = $1 AND portion = 1',
    stocked_blocks: 'UPDATE pools SET next_block = next_block - 1 WHERE event_id = $1',
    settled_blocks: `UPDATE events SET state = 'settled', closed_at = now(), settling_at = now(), settled_at = now(),
      revealed_secret = 'x' WHERE id = $1`,
  };

  it('has a test for each of its rules', () => {
    expect(Object.keys(corruptions)).toEqual(violationRules);
  });

  it.each(Object.entries(corruptions))('finds what breaks the rule %s', async (rule, corruption) => {
    const { event } = await busyEvent();
    const client = await db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SET LOCAL session_replication_role = replica');
      const { rowCount } = await client.query(corruption, [event.id]);
      expect(rowCount).toBeGreaterThan(0);
      const violations = await findViolations(client, { eventId: event.id, limitPerRule: 3 });
      expect(violations.map((violation) => violation.rule)).toContain(rule);
      expect(violations.filter((violation) => violation.rule === rule).length).toBeLessThanOrEqual(3);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('a snapshot does not move while the lanes go on, and writes nothing', async () => {
    const { event } = await busyEvent();
    await inSnapshot(db.pool, async (client) => {
      const before = await readPoolSums(client, event.id);
      await settleOpens(db.pool, [openOf(event, 'meanwhile', { n: 63, acceptedAtMs: t0 })]);
      expect(await readPoolSums(client, event.id)).toEqual(before);
    });
    const write = inSnapshot(db.pool, (client) => client.query('DELETE FROM blocks'));
    await expect(write).rejects.toMatchObject({ code: '25006' });
  });
});
