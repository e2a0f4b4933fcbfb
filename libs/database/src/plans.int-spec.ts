import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction, type PoolClient } from './pool.ts';
import type { EventRecord } from './read/load-events.ts';
import { listPackets } from './sql/list-packets.sql.ts';
import { readPacketStatus } from './sql/packet-status.sql.ts';
import { settleGrabs } from './sql/settle-grabs.sql.ts';
import { settleOpens } from './sql/settle-opens.sql.ts';
import { draftOf, grabOf, openOf, startEvent } from './testing/event.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let db: TestDatabase;
let client: PoolClient;
let event: EventRecord;

const grantCount = 200_000;
const batchSize = 64;

/** The statements are prepared, and their plans made, while the tables are empty; then the tables grow on the same connection. */
beforeAll(async () => {
  db = await createTestDatabase();
  event = await startEvent(db, draftOf(3, {}, { packetCount: 20_000 }));
  client = await db.pool.connect();
  await settleAndGrab(0);
  await growTables();
});
afterAll(async () => {
  client.release();
  await db.drop();
});

async function settleAndGrab(round: number): Promise<void> {
  const opens = Array.from({ length: batchSize }, (_, i) =>
    openOf(event, `user-${round}-${i >> 1}`, { sponsorNo: i & 1, n: round * batchSize + i }),
  );
  const settled = await settleOpens(client, opens);
  expect(new Set(settled.map(({ outcome }) => outcome))).toEqual(new Set(['credited']));
  const excess = opens.map(({ userId, sponsorNo }, i) =>
    openOf(event, userId, { sponsorNo, n: 10_000 + round * batchSize + i }),
  );
  for (const _ of ['denied', 'denied again']) {
    const denied = await settleOpens(client, excess);
    expect(new Set(denied.map(({ outcome }) => outcome))).toEqual(new Set(['sponsor_limit']));
  }
  const grabs = opens.map((open, i) => grabOf(event, open, `friend-${round}-${i}`));
  const grabbed = await settleGrabs(client, grabs);
  expect(new Set(grabbed.map(({ outcome }) => outcome))).toEqual(new Set(['credited']));
}

/**
 * Grants, denials, grabs and transfers of 70 000 users in the same event; without statistics, as right after a burst. On another connection:
 * the role that skips the foreign keys, which takes half the time, would also drop the plans of this one.
 */
async function growTables(): Promise<void> {
  await inTransaction(db.pool, async (filler) => {
    const farPool = 9_000_000;
    await filler.query('SET LOCAL session_replication_role = replica');
    await filler.query(
      `INSERT INTO accounts (kind, name, balance_fen)
       SELECT 'wallet', 'old-' || i, 0 FROM generate_series(0, 69999) i`,
    );
    await filler.query(
      `INSERT INTO grants
         (packet_id, event_id, account_id, sponsor_no, ordinal, per_user_max, epoch, amount_fen, accepted_at_ms)
       SELECT ($2::bigint << 39) + i, $1, a.first + i / 3, i % 3, i % 3 + 1, 3, 1, 100, 1
       FROM generate_series(0, $3 - 1) i, (SELECT min(id) AS first FROM accounts WHERE name LIKE 'old-%') a`,
      [event.id, farPool, grantCount],
    );
    await filler.query(
      `INSERT INTO denials (packet_id, epoch, account_id, event_id, outcome, accepted_at_ms)
       SELECT packet_id, 2, account_id, event_id, 'limit', 1 FROM grants WHERE packet_id >= $1::bigint << 39`,
      [farPool],
    );
    await filler.query(
      `INSERT INTO grabs (packet_id, portion, event_id, account_id, amount_fen, accepted_at_ms)
       SELECT packet_id, 1, event_id, account_id, 1, 1 FROM grants WHERE packet_id >= $1::bigint << 39`,
      [farPool],
    );
    await filler.query(
      `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id)
       SELECT 'grant', packet_id, 0, 1, account_id, 100, event_id, $1::int
       FROM grants WHERE packet_id >= $1::bigint << 39`,
      [farPool],
    );
  });
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/** The plans of all statements that `work` runs on the connection, those inside of functions and triggers too. */
async function plansOf(work: () => Promise<unknown>): Promise<PlanNode[]> {
  const plans: PlanNode[] = [];
  const onNotice = ({ message }: { message?: string | undefined }) => {
    const json = /plan:\n(\{.*\})$/s.exec(message ?? '')?.[1];
    if (json !== undefined) plans.push((JSON.parse(json) as { Plan: PlanNode }).Plan);
  };
  await client.query(`LOAD 'auto_explain'; SET client_min_messages = log; SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_nested_statements = on; SET auto_explain.log_triggers = on; SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off; SET auto_explain.log_format = json`);
  client.on('notice', onNotice);
  await work();
  client.off('notice', onNotice);
  await client.query('SET auto_explain.log_min_duration = -1; RESET client_min_messages');
  return plans;
}

function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

const bigTables = ['accounts', 'blocks', 'denials', 'grants', 'grabs', 'transfers'];

function expectIndexLookups(plans: readonly PlanNode[]): void {
  const nodes = plans.flatMap(nodesOf);
  const scans = nodes.filter(
    (node) => bigTables.includes(node['Relation Name'] ?? '') && node['Node Type'].endsWith('Scan'),
  );
  expect(scans.length).toBeGreaterThan(5);
  for (const scan of scans) expect(scan['Node Type']).toMatch(/^Index (Only )?Scan$/);
  for (const node of nodes) {
    const loops = node['Actual Loops'] ?? 1;
    // a node meets no more rows than the batch has, whatever the tables have
    const met =
      ((node['Actual Rows'] ?? 0) +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Join Filter'] ?? 0)) *
      loops;
    expect({ node: node['Node Type'], table: node['Relation Name'], met: Math.min(met, batchSize) }).toMatchObject({
      met,
    });
  }
}

describe('the plans of the settlement functions', () => {
  it('stay index lookups when the tables have grown by 200 000 grants since they were made', async () => {
    expectIndexLookups(await plansOf(() => settleAndGrab(1)));
  });

  it('are index lookups when they are made again with statistics', async () => {
    await client.query('ANALYZE');
    expectIndexLookups(await plansOf(() => settleAndGrab(2)));
  });

  it('are index lookups on a connection that sees the grown tables first', async () => {
    client.release(true);
    client = await db.pool.connect();
    expectIndexLookups(await plansOf(() => settleAndGrab(3)));
  });

  it('what became of a ticket is found by index', async () => {
    const { packetId, userId } = openOf(event, 'user-1-3', { sponsorNo: 0, n: 10_000 + batchSize + 6 });
    const question = { packetId, userId, epoch: 1 };
    const nodes = (await plansOf(() => readPacketStatus(client, question))).flatMap(nodesOf);
    const tables = nodes.filter((node) => ['accounts', 'denials', 'grants'].includes(node['Relation Name'] ?? ''));
    expect(tables.length).toBeGreaterThanOrEqual(3);
    for (const node of tables) expect(node['Node Type']).toMatch(/Index/);
    expect(await readPacketStatus(client, question)).toEqual({ status: 'sponsor_limit' });
  });

  it("a user's packets are found by index", async () => {
    const plans = await plansOf(() => listPackets(client, { userId: 'user-1-3', limit: 20 }));
    const tables = plans
      .flatMap(nodesOf)
      .filter((node) => ['grants', 'accounts'].includes(node['Relation Name'] ?? ''));
    expect(tables.length).toBeGreaterThanOrEqual(2);
    for (const node of tables) expect(node['Node Type']).toMatch(/Index/);
  });
});
