// The continuous check: finds planted faults within a cycle, what commits late too, and cries wolf never.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  beginSettlement,
  closeBlocks,
  type EventRecord,
  inTransaction,
  isRetryable,
  moveEvent,
  readWatermarkMs,
  settleEvent,
  settleGrabs,
  settleOpens,
} from '#libs/database';
import { createLogger, createMetrics } from '#libs/runtime';
import { createTestDatabase, type TestDatabase } from '../../../../libs/database/src/testing.ts';
import { createAllocationMetrics } from '../process/metrics.ts';
import { grabOf, opensOf, startBookedEvent, t0 } from '../testing/booked-event.ts';
import { type LedgerPace, LedgerWatch } from './ledger-watch.ts';

const wait = { timeout: 20_000, interval: 20 };
const never = Number.MAX_SAFE_INTEGER;
const restless: LedgerPace = { lookMs: 20, proofMs: 0, allWalletsMs: 500, busyShare: 1 };
/** One full proof at the start, from then on looks alone. */
const looksOnly: LedgerPace = { lookMs: 20, proofMs: never, allWalletsMs: never, busyShare: 1 };

let db: TestDatabase;
let watch: LedgerWatch | undefined;

beforeAll(async () => {
  db = await createTestDatabase();
});
afterEach(async () => {
  await watch?.stop();
  // no event but the next test's own
  await db.pool.query("UPDATE events SET state = 'closed', closed_at = now() WHERE state = 'live'");
  await db.pool.query(
    "UPDATE events SET state = 'settled', settling_at = now(), settled_at = now(), revealed_secret = 'x' WHERE state = 'closed'",
  );
});
afterAll(async () => await db.drop());

function start(pace: LedgerPace, isOnDuty = () => true) {
  const registry = createMetrics('allocation');
  const metrics = createAllocationMetrics(registry);
  const errors: string[] = [];
  const logger = createLogger('allocation', 'silent');
  const loud = Object.assign(Object.create(logger), {
    error: (what: { violations?: string[] }) => errors.push(...(what.violations ?? [JSON.stringify(what)])),
  });
  const pool = db.openPool({ max: 1 });
  watch = new LedgerWatch({ pool, prisma: db.prisma, logger: loud, metrics, isOnDuty, pace });
  const gaugeOf = async (gauge: 'ledgerBalanced' | 'ledgerProvenAt' | 'ledgerViolations', event: number | 'wallets') =>
    (await metrics[gauge].get()).values.find(({ labels }) => labels.event === String(event))?.value;
  watch.start();
  return { errors, metrics, gaugeOf };
}

const startBig = () => startBookedEvent(db, 4096);

/** Past the triggers that keep what was booked as it is. */
const tamper = (sql: string, values: unknown[]) =>
  inTransaction(db.pool, async (client) => {
    await client.query('SET LOCAL session_replication_role = replica');
    const { rowCount } = await client.query(sql, values);
    expect(rowCount).toBeGreaterThan(0);
  });

/** Each changes the event's ledger by `$2` fen somewhere; with the opposite sign all is well again. */
const faults: Readonly<Record<string, { where: 'event' | 'wallets'; sql: string }>> = {
  'a wallet that holds more': {
    where: 'event',
    sql: `UPDATE accounts SET balance_fen = balance_fen + $2
      WHERE id = (SELECT max(account_id) FROM grants WHERE event_id = $1)`,
  },
  'a wallet of no event that holds money': {
    where: 'wallets',
    sql: `UPDATE accounts SET balance_fen = balance_fen + $2 WHERE name = 'nobody' AND $1::int > 0`,
  },
  'a transfer of another amount': {
    where: 'event',
    sql: `UPDATE transfers SET amount_fen = amount_fen + $2
      WHERE kind = 'grant' AND ref = (SELECT max(packet_id) FROM grants WHERE event_id = $1)`,
  },
  'an amount that was changed everywhere, so that only its derivation shows it': {
    where: 'event',
    sql: `WITH g AS (UPDATE grants SET amount_fen = amount_fen + $2
        WHERE packet_id = (SELECT min(packet_id) FROM grants WHERE event_id = $1) RETURNING packet_id, account_id),
      a AS (UPDATE accounts SET balance_fen = balance_fen + $2 FROM g WHERE id = g.account_id)
      UPDATE transfers t SET amount_fen = t.amount_fen + $2 FROM g WHERE t.kind = 'grant' AND t.ref = g.packet_id`,
  },
  'a pool that was funded with more': {
    where: 'event',
    sql: "UPDATE transfers SET amount_fen = amount_fen + $2 WHERE kind = 'fund' AND event_id = $1 AND pool_id % 3 = 0",
  },
};

describe('the check of the ledger', () => {
  it('tells each planted fault within one cycle, and when it is mended', async () => {
    const event = await startBig();
    await settleOpens(db.pool, opensOf(event, 0, 500));
    await db.pool.query("INSERT INTO accounts (kind, name, balance_fen) VALUES ('wallet', 'nobody', 0)");
    const { gaugeOf, errors } = start({ ...restless, allWalletsMs: 0 });
    for (const [what, { where, sql }] of Object.entries(faults)) {
      const subject = where === 'event' ? event.id : 'wallets';
      await expect.poll(() => gaugeOf('ledgerBalanced', subject), wait).toBe(1);
      errors.length = 0;
      await tamper(sql, [event.id, 1]);
      await expect.poll(() => gaugeOf('ledgerBalanced', subject), { ...wait, message: what }).toBe(0);
      expect(await gaugeOf('ledgerViolations', subject)).toBeGreaterThan(0);
      expect(errors.length).toBeGreaterThan(0);
      await tamper(sql, [event.id, -1]);
      await expect.poll(() => gaugeOf('ledgerBalanced', subject), { ...wait, message: what }).toBe(1);
    }
  }, 120_000);

  it('finds by a look alone what was booked wrong since the last one, and keeps the alarm', async () => {
    const event = await startBig();
    const { gaugeOf, errors } = start(looksOnly);
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBe(1);
    const opens = opensOf(event, 0, 600);
    await settleOpens(db.pool, opens);
    // whoever settles says the amount; the database knows only its bounds
    const wrong = opensOf(event, 700, 1).map((open) => ({ ...open, amountFen: open.amountFen === 7 ? 8 : 7 }));
    await settleOpens(db.pool, wrong);
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBe(0);
    expect(errors.join()).toContain(`grant of packet ${wrong[0]!.packetId}: ${wrong[0]!.amountFen} fen were booked`);
    errors.length = 0;
    const grab = { ...grabOf(event, opens[3]!, 'friend'), portionsFen: [28, 1, 1] };
    await settleGrabs(db.pool, [grab]);
    await expect.poll(() => errors.join(), wait).toContain(`grab of portion 1 of packet ${grab.packetId}`);
    expect(await gaugeOf('ledgerBalanced', event.id)).toBe(0);
  });

  it('sees what commits long after it was booked, and after what began later', async () => {
    const event = await startBig();
    const { gaugeOf, metrics } = start(looksOnly);
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBe(1);
    const looks = async () => (await metrics.ledgerCheckSeconds.get()).values[0]!.value;
    const late = opensOf(event, 300, 1).map((open) => ({ ...open, amountFen: open.amountFen === 7 ? 8 : 7 }));
    await inTransaction(db.pool, async (client) => {
      const { rows } = await client.query<{ ms: number }>('SELECT extract(epoch FROM now())::float8 * 1000 AS ms');
      await settleOpens(client, late);
      for (let round = 0; round < 5; round++) {
        await settleOpens(db.pool, opensOf(event, round * 40, 40, 1));
        const before = await looks();
        await expect.poll(looks, wait).toBeGreaterThan(before);
      }
      expect(await readWatermarkMs(db.pool)).toBeLessThanOrEqual(rows[0]!.ms);
      expect(await gaugeOf('ledgerBalanced', event.id)).toBe(1);
    });
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBe(0);
  });

  it('raises no alarm while lanes book, users meet limits, and the event is closed and settled', async () => {
    const event = await startBig();
    const { gaugeOf, errors } = start(restless);
    const provenAt = new Set<number | undefined>();
    let batches = 0;
    const lane = async (sponsorNo: number) => {
      for (let first = 0; first < 1024 || provenAt.size < 4; first += 64) {
        const opens = opensOf(event, first % 1024, 64, sponsorNo);
        await repeated(() => settleOpens(db.pool, opens));
        const grabs = opens.map((open, i) => grabOf(event, open, `u${(first + i * 7) % 1024}`));
        await repeated(() => settleGrabs(db.pool, grabs));
        provenAt.add(await gaugeOf('ledgerProvenAt', event.id));
        batches += 1;
      }
    };
    await Promise.all([0, 1, 2, 0, 1].map(lane));
    expect(batches).toBeGreaterThanOrEqual(5 * 16);
    const refunds = await settle(event);
    expect(refunds).toBeGreaterThan(0);
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBeUndefined();
    expect(await gaugeOf('ledgerBalanced', 'wallets')).toBe(1);
    expect(errors).toEqual([]);
  }, 120_000);

  it('is done by the process on duty alone, which forgets what it knew when another one goes on', async () => {
    const event = await startBig();
    let isOnDuty = false;
    const { gaugeOf, metrics } = start(restless, () => isOnDuty);
    expect(await gaugeOf('ledgerBalanced', event.id)).toBeUndefined();
    isOnDuty = true;
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBe(1);
    expect((await metrics.isLedgerChecker.get()).values[0]!.value).toBe(1);
    isOnDuty = false;
    await expect.poll(() => gaugeOf('ledgerBalanced', event.id), wait).toBeUndefined();
    await expect.poll(async () => (await metrics.isLedgerChecker.get()).values[0]!.value, wait).toBe(0);
  });
});

/** As lanes do. */
async function repeated<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isRetryable(error)) throw error;
    }
  }
}

/** Closes and settles the event; gives what is refunded, by what its packets and shares do not say. */
async function settle(event: EventRecord): Promise<number> {
  const eventId = event.id;
  await moveEvent(db.pool, { eventId, from: 'live', to: 'closed', atMs: t0 });
  await beginSettlement(db.pool, { eventId, atMs: t0 });
  while ((await closeBlocks(db.pool, { eventId, limit: 1000 })) > 0);
  const { rows } = await db.pool.query<{ id: number; fen: bigint }>(
    `SELECT p.id, p.budget_fen + p.share_budget_fen - coalesce(sum(t.amount_fen), 0)::bigint AS fen
     FROM pools p LEFT JOIN transfers t ON t.pool_id = p.id AND t.kind IN ('grant', 'grab')
     WHERE p.event_id = $1 GROUP BY p.id`,
    [eventId],
  );
  const refunds = rows.map(({ id, fen }) => ({ poolId: id, amountFen: Number(fen) }));
  expect(await settleEvent(db.pool, { eventId, atMs: t0, revealedSecret: 'x', refunds })).toBe(true);
  return refunds.reduce((sum, { amountFen }) => sum + amountFen, 0);
}
