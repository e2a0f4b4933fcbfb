import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { derivePortions, type PoolPlan } from '#libs/domain';
import { auditAllWallets, auditEvent, on } from './audit-event.ts';
import { type Db, inSnapshot } from './pool.ts';
import type { EventRecord, PoolRecord } from './read/load-events.ts';
import { findViolations } from './sql/find-violations.sql.ts';
import { settleGrabs } from './sql/settle-grabs.sql.ts';
import { type OpenClaim, settleOpens } from './sql/settle-opens.sql.ts';
import { amountOf, draftOf, grabOf, openOf, packetIdsOf, startEvent, t0, testSecret } from './testing/event.ts';
import { readPoolSums } from './testing/pool-sums.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { type Violation, violationRules } from './violation.ts';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.drop());

/** An event with grants, denials and grabs in both of its pools. */
async function busyEvent(): Promise<{ event: EventRecord; opens: OpenClaim[] }> {
  const event = await startEvent(db, draftOf(2));
  const opens = [0, 1].flatMap((sponsorNo) =>
    Array.from({ length: 20 }, (_, n) => openOf(event, `u${event.id}-${n}`, { sponsorNo, n: n * 3 })),
  );
  await settleOpens(db.pool, opens);
  const excess = opens.map(({ userId, sponsorNo }, i) => openOf(event, userId, { sponsorNo, n: (i % 20) * 3 + 1 }));
  const denied = await settleOpens(db.pool, excess);
  expect(new Set(denied.map(({ outcome }) => outcome))).toEqual(new Set(['sponsor_limit']));
  const grabs = opens.flatMap((open, i) =>
    [1, 2].slice(i % 2).map((step) => grabOf(event, open, `u${event.id}-${(i + step) % 20}`)),
  );
  await settleGrabs(db.pool, grabs);
  return { event, opens };
}

/** What nobody has, from the derived amounts alone. */
async function unclaimedFen(pool: PoolRecord): Promise<number> {
  const granted = new Set<number>();
  const taken = new Set<string>();
  for await (const step of auditEvent(on(db.pool), pool.eventId)) {
    if (step.step !== 'grants' && step.step !== 'grabs') continue;
    const { page } = step;
    if (step.pool.poolId !== pool.poolId) continue;
    page.offsets.forEach((offset, i) => {
      if (step.step === 'grants') granted.add(page.firstPacketNo + offset);
      else taken.add(`${page.firstPacketNo + offset}/${step.page.portions[i]}`);
    });
  }
  let unclaimed = 0;
  packetIdsOf(pool).forEach((packetId, packetNo) => {
    if (!granted.has(packetNo)) unclaimed += amountOf(pool, packetId);
    derivePortions(testSecret, pool as PoolPlan, packetId).forEach((portionFen, i) => {
      if (!taken.has(`${packetNo}/${i + 1}`)) unclaimed += portionFen;
    });
  });
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
    stray: `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
      VALUES ('grant', 16000000::bigint << 39, 0, 1, 2, 5, $1, 16000000)`,
    fund: "UPDATE transfers SET amount_fen = amount_fen - 1 WHERE event_id = $1 AND kind = 'fund'",
    refund: `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
      SELECT 'refund', id, 0, account_id, 1, 5, $1, id FROM pools WHERE event_id = $1`,
    overdrawn: "UPDATE transfers SET amount_fen = 100 WHERE event_id = $1 AND kind = 'fund'",
    grant_transfer: 'UPDATE grants SET amount_fen = amount_fen + 1 WHERE event_id = $1 AND ordinal = 1',
    grab_transfer: 'DELETE FROM grabs WHERE event_id = $1 AND portion = 2',
    wallet_balance: `UPDATE accounts SET balance_fen = balance_fen + 1
      WHERE id IN (SELECT account_id FROM grants WHERE event_id = $1)`,
    per_user_max: 'UPDATE events SET per_user_max = 1 WHERE id = $1',
    one_per_sponsor: 'UPDATE pools SET sponsor_no = 0 WHERE event_id = $1',
    grant_plan: 'UPDATE pools SET max_fen = 100, min_fen = 100 WHERE event_id = $1',
    grant_block: 'UPDATE grants SET epoch = 2 WHERE event_id = $1 AND ordinal = 1',
    grab_plan: 'DELETE FROM grabs WHERE event_id = $1 AND portion = 1',
    denied_grant: `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
      SELECT packet_id, epoch, account_id, event_id, 'limit', accepted_at_ms FROM grants WHERE event_id = $1 AND ordinal = 1`,
    denial_reason: `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
      SELECT packet_id | 1, 2, account_id, event_id, 'limit', accepted_at_ms FROM grants WHERE event_id = $1 AND ordinal = 2`,
    stocked_blocks: 'UPDATE pools SET next_block = next_block - 1 WHERE event_id = $1',
    settled_blocks: `UPDATE events SET state = 'settled', closed_at = now(), settling_at = now(), settled_at = now(),
      revealed_secret = 'x' WHERE id = $1`,
  };

  /** Faults that break a rule in another way than the one above. */
  const furtherCorruptions: ReadonlyArray<readonly [rule: string, what: string, corruption: string]> = [
    ['grant_transfer', 'a transfer without a grant', 'DELETE FROM grants WHERE event_id = $1 AND ordinal = 1'],
    ['grant_transfer', 'a grant without a transfer', "DELETE FROM transfers WHERE event_id = $1 AND kind = 'grant'"],
    ['grab_transfer', 'a grab without a transfer', "DELETE FROM transfers WHERE event_id = $1 AND kind = 'grab'"],
    ['grab_plan', 'a grab of a packet that nobody has', 'DELETE FROM grants WHERE event_id = $1'],
    [
      'wallet_balance',
      'money that nobody gave',
      'UPDATE accounts SET balance_fen = 7 WHERE id = (SELECT max(account_id) FROM grants WHERE event_id = $1)',
    ],
    [
      'transfer_accounts',
      'a credited account that is gone',
      'DELETE FROM accounts a USING grants g WHERE g.event_id = $1 AND a.id = g.account_id',
    ],
    [
      'transfer_accounts',
      'a sponsor that is credited as a wallet',
      `WITH g AS (UPDATE grants SET account_id = (SELECT min(account_id) FROM sponsors WHERE event_id = $1)
         WHERE packet_id = (SELECT min(packet_id) FROM grants WHERE event_id = $1) RETURNING packet_id, account_id)
       UPDATE transfers t SET credit_account = g.account_id FROM g WHERE t.kind = 'grant' AND t.ref = g.packet_id`,
    ],
    [
      'denial_reason',
      'a sponsor of whom the user has nothing',
      `WITH a AS (INSERT INTO accounts (kind, name, balance_fen) VALUES ('wallet', 'nobody-' || $1::int, 0) RETURNING id)
       INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
       SELECT g.packet_id, 2, a.id, g.event_id, 'sponsor_limit', 1 FROM a, grants g WHERE g.event_id = $1`,
    ],
    [
      'denial_reason',
      "a packet that is nobody else's",
      `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
       SELECT packet_id, 2, account_id, event_id, 'taken', 1 FROM grants WHERE event_id = $1`,
    ],
    ['denial_reason', 'a denial of another event', 'UPDATE denials SET event_id = 999999 WHERE event_id = $1'],
    [
      'stocked_blocks',
      'a block that nobody stocked',
      `UPDATE blocks SET block_no = 1000 WHERE block_no = 31 AND pool_id IN (SELECT id FROM pools WHERE event_id = $1)`,
    ],
  ];

  it('has a test for each of its rules', () => {
    expect(Object.keys(corruptions)).toEqual(violationRules);
  });

  /** What the audit finds after the corruption, of which nothing stays. */
  async function violationsAfter(corruption: string, ids: readonly number[], work = findingsOf): Promise<Violation[]> {
    const client = await db.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SET LOCAL session_replication_role = replica');
      const { rowCount } = await client.query(corruption, [ids[0]]);
      expect(rowCount).toBeGreaterThan(0);
      return await work(client, ids.at(-1)!);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }

  const findingsOf = (client: Db, eventId: number) => findViolations(client, { eventId, limitPerRule: 3 });
  const walletFindings = async (client: Db): Promise<Violation[]> => {
    const found: Violation[] = [];
    for await (const { violations } of auditAllWallets(on(client))) found.push(...violations);
    return found;
  };

  it.each(Object.entries(corruptions))('finds what breaks the rule %s', async (rule, corruption) => {
    const { event } = await busyEvent();
    const violations = await violationsAfter(corruption, [event.id]);
    expect(violations.map((violation) => violation.rule)).toContain(rule);
    expect(violations.filter((violation) => violation.rule === rule).length).toBeLessThanOrEqual(3);
  });

  it.each(furtherCorruptions)('finds by %s: %s', async (rule, _, corruption) => {
    const { event } = await busyEvent();
    const violations = await violationsAfter(corruption, [event.id]);
    expect(violations.map((violation) => violation.rule)).toContain(rule);
  });

  it('holds the wallets of an event against their transfers of all events', async () => {
    const other = await busyEvent();
    const event = await startEvent(db, draftOf(1));
    const opens = Array.from({ length: 5 }, (_, n) => openOf(event, `u${other.event.id}-${n}`, { n }));
    await settleOpens(db.pool, opens);
    const corruption = "UPDATE transfers SET amount_fen = amount_fen + 1 WHERE event_id = $1 AND kind = 'grant'";
    const violations = await violationsAfter(corruption, [other.event.id, event.id]);
    expect(violations.map(({ rule }) => rule)).toEqual(['wallet_balance', 'wallet_balance', 'wallet_balance']);
  });

  it('looks at all wallets, those of no event too', async () => {
    const { event } = await busyEvent();
    expect(await walletFindings(db.pool)).toEqual([]);
    const giveAway = "INSERT INTO accounts (kind, name, balance_fen) VALUES ('wallet', 'thief-' || $1::int, 5)";
    const gone = "DELETE FROM transfers WHERE event_id = $1 AND kind = 'grab' AND portion = 1";
    expect((await violationsAfter(giveAway, [event.id], walletFindings)).map(({ rule }) => rule)).toEqual([
      'wallet_balance',
    ]);
    expect((await violationsAfter(gone, [event.id], walletFindings)).map(({ rule }) => rule)).toContain(
      'wallet_balance',
    );
  });

  it('goes through pools of many pages, and of blocks smaller than a run, to their last packet', async () => {
    const event = await startEvent(
      db,
      draftOf(1, {}, { packetCount: 20_000, budgetFen: 2_000_000, shareBudgetFen: 600_000 }),
    );
    const last = packetIdsOf(event.pools[0]!).length - 1;
    const opens = [0, 255, 256, 8191, 8192, 16_500, last].map((n) => openOf(event, `far-${n}`, { n }));
    await settleOpens(db.pool, opens);
    await settleGrabs(
      db.pool,
      opens.map((open) => grabOf(event, open, 'far-friend')),
    );
    const seen: Record<string, number[]> = { grants: [], grabs: [] };
    for await (const step of auditEvent(on(db.pool), event.id)) {
      if (step.step !== 'grants' && step.step !== 'grabs') continue;
      seen[step.step]!.push(
        ...step.page.offsets.map((offset) => step.page.firstPacketNo + offset).sort((a, b) => a - b),
      );
    }
    expect(seen).toEqual({
      grants: [0, 255, 256, 8191, 8192, 16_500, last],
      grabs: [0, 255, 256, 8191, 8192, 16_500, last],
    });
    expect(await findViolations(db.pool, { eventId: event.id, limitPerRule: 3 })).toEqual([]);
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
