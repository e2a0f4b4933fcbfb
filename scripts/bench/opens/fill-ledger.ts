import { randomBytes } from 'node:crypto';
import {
  armEvent,
  beginSettlement,
  closeBlocks,
  createEvent,
  createPool,
  createPrisma,
  type EventRecord,
  loadEvents,
  moveEvent,
  type Pool,
  type PoolClient,
  settleEvent,
  stockBlocks,
} from '#libs/database';
import { canonicalPlan, commitmentOf, deriveRunAmounts, type EventDraft, runPacketsMax } from '#libs/domain';
import { withoutIndexes } from './bulk-load.ts';
import { sponsorsPerUser } from './workload.ts';

const hourMs = 3_600_000;
const meanFen = 100;
const waveMs = 30_000;
const lanes = { openLaneCount: 4, grabLaneCount: 2 };
/** Users whose rows go to the database in one statement. */
const usersPerStatement = 128 * runPacketsMax;
const blocksPerCloseMax = 50_000;
const statementTimeoutMs = 1_800_000;

export interface LedgerFill {
  readonly databaseUrl: string;
  /** At least; three for each of the users 0, 1, 2, …, of three sponsors. */
  readonly grants: number;
  /** `settled`: an event of the past. `live`: a twentieth more packets than grants, and shares, so that something is unclaimed. */
  readonly state: 'settled' | 'live';
}

export interface FilledLedger {
  readonly eventId: number;
  readonly grants: number;
  readonly users: number;
  readonly seconds: number;
  /** Of the whole database. */
  readonly gigabytes: number;
}

/**
 * Books an event's grants with their true amounts into a migrated, empty ledger: the event by the operations that allocation uses, the
 * grants in bulk, with transfers and wallets that add up.
 */
export async function fillLedger(fill: LedgerFill): Promise<FilledLedger> {
  const startMs = performance.now();
  const options = { connectionString: fill.databaseUrl, applicationName: 'benchmark fill', max: 3, statementTimeoutMs };
  const pool = createPool(options);
  const prisma = createPrisma({ ...options, max: 1 });
  const users = Math.ceil(fill.grants / sponsorsPerUser);
  try {
    const secret = randomBytes(32);
    const load = async (eventId: number) => (await loadEvents(prisma, { ids: [eventId] }))[0]!;
    const event = await startEvent(pool, { draft: draftOf(fill.state, users), secret, load });
    await bookAll(pool, event, secret, users);
    if (fill.state === 'settled') await settle(pool, event, secret);
    const { rows } = await pool.query<{ bytes: bigint }>('SELECT pg_database_size(current_database()) AS bytes');
    return {
      eventId: event.id,
      grants: users * sponsorsPerUser,
      users,
      seconds: (performance.now() - startMs) / 1000,
      gigabytes: Number(rows[0]!.bytes) / 1e9,
    };
  } finally {
    await Promise.all([pool.end(), prisma.$disconnect()]);
  }
}

function draftOf(state: LedgerFill['state'], users: number): EventDraft {
  const startsAtMs = Date.now() - 3 * hourMs;
  const isLive = state === 'live';
  const endsAtMs = isLive ? Date.now() + 3 * hourMs : startsAtMs + hourMs;
  const packetCount = isLive ? Math.ceil(users * 1.05) : users;
  const sponsors = Array.from({ length: sponsorsPerUser }, (_, no) => ({ id: `sponsor-${no}`, name: `Sponsor ${no}` }));
  const pools = sponsors.map(({ id }) => ({
    sponsorId: id,
    packetCount,
    budgetFen: packetCount * meanFen,
    minFen: 1,
    maxFen: 5 * meanFen,
    sharePortions: isLive ? 3 : 0,
    shareBudgetFen: isLive ? packetCount * 30 : 0,
    releaseCurve: 'even' as const,
  }));
  return {
    title: 'an event of before',
    startsAtMs,
    endsAtMs,
    sharesEndAtMs: endsAtMs,
    perUserMax: sponsorsPerUser,
    ticketTtlMs: 60_000,
    staggerMs: 0,
    shakeIntervalMs: 1000,
    blockLifeMs: hourMs,
    graceMs: 2000,
    reissue: 'event',
    sponsors,
    waves: [{ no: 0, startsAtMs, durationMs: waveMs, pools }],
  };
}

interface Start {
  readonly draft: EventDraft;
  readonly secret: Buffer;
  readonly load: (eventId: number) => Promise<EventRecord>;
}

/** Armed, live and stocked to its last block. */
async function startEvent(pool: Pool, { draft, secret, load }: Start): Promise<EventRecord> {
  const atMs = draft.startsAtMs;
  const eventId = await createEvent(pool, draft, atMs);
  const plan = canonicalPlan({ ...(await load(eventId)), eventId });
  const secretCommitment = commitmentOf(secret, plan);
  await armEvent(pool, { eventId, atMs, secret, secretCommitment, canonicalPlan: plan, ...lanes });
  await moveEvent(pool, { eventId, from: 'armed', to: 'live', atMs });
  const { pools } = await load(eventId);
  const due = pools.map(({ poolId, blockCount }) => ({
    poolId,
    upToBlock: blockCount,
    countMax: blockCount,
    issueUntilMs: draft.endsAtMs,
  }));
  for (const one of due) await stockBlocks(pool, { pools: [one], stockedAtMs: atMs });
  return await load(eventId);
}

async function bookAll(pool: Pool, event: EventRecord, secret: Buffer, users: number): Promise<void> {
  const [first, second] = [await pool.connect(), await pool.connect()];
  try {
    for (const client of [first, second]) await client.query('SET synchronous_commit = off');
    const base = await accountsSoFar(first);
    await withoutIndexes(first, async () => {
      const context = await contextOf(first, event, base);
      for (let from = 0; from < users; from += usersPerStatement) {
        const amounts = amountsOf(event, secret, from, Math.min(usersPerStatement, users - from));
        const values = [context, from, ...amounts];
        const wallets = first.query(accountsSql, values).then(() => first.query(grantsSql, values));
        await Promise.all([wallets, second.query(transfersSql, values)]);
      }
    });
    await first.query("SELECT setval(pg_get_serial_sequence('accounts', 'id'), $1)", [base + users]);
  } finally {
    first.release(true);
    second.release(true);
  }
}

async function accountsSoFar(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ id: bigint }>('SELECT max(id) AS id FROM accounts');
  return Number(rows[0]!.id);
}

/** What is the same in every row, as one parameter. */
async function contextOf(client: PoolClient, event: EventRecord, base: number): Promise<string> {
  const { rows } = await client.query<{ id: number; accountId: bigint }>(
    'SELECT id, account_id AS "accountId" FROM pools WHERE event_id = $1',
    [event.id],
  );
  const accountOf = new Map(rows.map(({ id, accountId }) => [id, Number(accountId)]));
  const pools = bySponsor(event).map(({ poolId, sponsorNo, blockSize }) => {
    return { pool_id: poolId, sponsor_no: sponsorNo, block_size: blockSize, account_id: accountOf.get(poolId) };
  });
  return JSON.stringify({ event_id: event.id, base, accepted_at_ms: event.startsAtMs + waveMs, pools });
}

function bySponsor({ pools }: EventRecord) {
  return [...pools].sort((a, b) => a.sponsorNo - b.sponsorNo);
}

/** Amounts of the packets `from` to `from + count` − 1 of each pool; `from` begins a run. */
function amountsOf(event: EventRecord, secret: Buffer, from: number, count: number): number[][] {
  return bySponsor(event).map((plan) => {
    const runs = Array.from({ length: Math.ceil(count / runPacketsMax) }, (_, at) =>
      deriveRunAmounts(secret, plan, from / runPacketsMax + at),
    );
    return runs.flat().slice(0, count);
  });
}

const rowsOf = `
  FROM unnest($3::int[], $4::int[], $5::int[]) WITH ORDINALITY AS u (fen0, fen1, fen2, ord)
  CROSS JOIN LATERAL (SELECT ($1::jsonb ->> 'base')::bigint + $2::int + u.ord AS account_id, $2::int + u.ord - 1 AS no) w`;

const packetsOf = `
  ${rowsOf}
  CROSS JOIN LATERAL (VALUES (0, u.fen0), (1, u.fen1), (2, u.fen2)) AS g (at, fen)
  CROSS JOIN LATERAL jsonb_to_record($1::jsonb -> 'pools' -> g.at)
    AS p (pool_id int, sponsor_no smallint, block_size int, account_id bigint)
  CROSS JOIN LATERAL (
    SELECT (p.pool_id::bigint << 39) | ((w.no / p.block_size) << 8) | (w.no % p.block_size) AS packet_id
  ) k`;

/** Names as `userNameOf` makes them. */
const accountsSql = `
  INSERT INTO accounts (id, kind, name, balance_fen) OVERRIDING SYSTEM VALUE
  SELECT w.account_id, 'wallet', substr(md5(w.no::text), 1, 16), u.fen0 + u.fen1 + u.fen2 ${rowsOf}`;

const grantsSql = `
  INSERT INTO grants (packet_id, event_id, account_id, sponsor_no, ordinal, per_user_max, epoch, amount_fen, accepted_at_ms, granted_at)
  SELECT k.packet_id, ($1::jsonb ->> 'event_id')::int, w.account_id, p.sponsor_no, g.at + 1, ${sponsorsPerUser}, 1, g.fen,
    ($1::jsonb ->> 'accepted_at_ms')::bigint, to_timestamp(($1::jsonb ->> 'accepted_at_ms')::bigint / 1000.0)
  ${packetsOf}`;

const transfersSql = `
  INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id, at)
  SELECT 'grant', k.packet_id, 0, p.account_id, w.account_id, g.fen, ($1::jsonb ->> 'event_id')::int, p.pool_id,
    to_timestamp(($1::jsonb ->> 'accepted_at_ms')::bigint / 1000.0)
  ${packetsOf}`;

/** Everything of it was granted: there is nothing to refund. */
async function settle(pool: Pool, { id: eventId, endsAtMs: atMs, pools }: EventRecord, secret: Buffer): Promise<void> {
  await moveEvent(pool, { eventId, from: 'live', to: 'closed', atMs });
  await beginSettlement(pool, { eventId, atMs });
  while ((await closeBlocks(pool, { eventId, limit: blocksPerCloseMax })) > 0);
  const refunds = pools.map(({ poolId }) => ({ poolId, amountFen: 0 }));
  const revealedSecret = secret.toString('hex');
  if (!(await settleEvent(pool, { eventId, atMs, revealedSecret, refunds })))
    throw new Error(`event ${eventId} could not be settled`);
}
