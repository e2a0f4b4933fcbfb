import { inSnapshot, type Pool, type PoolClient } from '#libs/database';

/** What the books say of one event, read by SQL: the other side of every check. Amounts in fen, times in ms since the epoch. */
export interface Ledger {
  readonly state: string;
  readonly perUserMax: number;
  readonly ticketTtlMs: number;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly closedAtMs: number | undefined;
  readonly sharesEndMs: number;
  readonly pools: readonly PoolBooks[];
  readonly blocks: readonly BlockRow[];
  readonly grants: readonly GrantRow[];
  readonly grabs: readonly GrabRow[];
  /** Items set aside, `kind packet user: error`. */
  readonly deadLetters: readonly string[];
  /** Of all wallets there are: those whose balance is not the sum of their transfers. */
  readonly wrongWallets: readonly string[];
}

export interface PoolBooks {
  readonly poolId: number;
  readonly sponsorId: string;
  /** Packets and shares together. */
  readonly budgetFen: number;
  readonly sharePortions: number;
  readonly fundedFen: number;
  readonly grantedFen: number;
  readonly grabbedFen: number;
  readonly refundedFen: number;
}

export interface BlockRow {
  readonly poolId: number;
  readonly blockNo: number;
  readonly epoch: number;
  readonly state: string;
  readonly issueUntilMs: number;
}

export interface GrantRow {
  readonly packetId: string;
  readonly userId: string;
  readonly sponsorId: string;
  readonly amountFen: number;
  readonly epoch: number;
  readonly acceptedAtMs: number;
  readonly grantedAtMs: number;
}

export interface GrabRow {
  readonly packetId: string;
  readonly portion: number;
  readonly userId: string;
  readonly amountFen: number;
}

const epochMs = (column: string): string => `floor(extract(epoch FROM ${column}) * 1000)::float8`;

/** One snapshot of everything. */
export async function readLedger(pool: Pool, eventId: string): Promise<Ledger> {
  return await inSnapshot(pool, async (client) => {
    const rows = async <Row>(sql: string, values: unknown[] = [eventId]): Promise<Row[]> =>
      (await client.query(sql, values)).rows as Row[];
    const [event] = await rows<Omit<Ledger, 'pools' | 'blocks' | 'grants' | 'grabs' | 'deadLetters' | 'wrongWallets'>>(
      `SELECT state, per_user_max AS "perUserMax", ticket_ttl_ms AS "ticketTtlMs", ${epochMs('starts_at')} AS "startsAtMs",
         ${epochMs('ends_at')} AS "endsAtMs", ${epochMs('closed_at')} AS "closedAtMs", ${epochMs('shares_end_at')} AS "sharesEndMs"
       FROM events WHERE id = $1`,
    );
    if (event === undefined) throw new Error(`the books have no event ${eventId}`);
    return {
      ...event,
      closedAtMs: event.closedAtMs ?? undefined,
      pools: await rows<PoolBooks>(poolsSql),
      blocks: await rows<BlockRow>(blocksSql),
      grants: await rows<GrantRow>(grantsSql),
      grabs: await rows<GrabRow>(grabsSql),
      deadLetters: await textsOf(client, deadLettersSql, [eventId]),
      wrongWallets: await textsOf(client, wrongWalletsSql, []),
    };
  });
}

const sumOf = (kind: string): string =>
  `coalesce((SELECT sum(t.amount_fen) FROM transfers t WHERE t.pool_id = p.id AND t.kind = '${kind}'), 0)::float8`;

const poolsSql = `
  SELECT p.id AS "poolId", s.sponsor_id AS "sponsorId", (p.budget_fen + p.share_budget_fen)::float8 AS "budgetFen",
    p.share_portions AS "sharePortions", ${sumOf('fund')} AS "fundedFen", ${sumOf('grant')} AS "grantedFen",
    ${sumOf('grab')} AS "grabbedFen", ${sumOf('refund')} AS "refundedFen"
  FROM pools p JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
  WHERE p.event_id = $1 ORDER BY p.id`;

const blocksSql = `
  SELECT b.pool_id AS "poolId", b.block_no AS "blockNo", b.epoch, b.state, b.issue_until_ms::float8 AS "issueUntilMs"
  FROM blocks b JOIN pools p ON p.id = b.pool_id WHERE p.event_id = $1`;

const grantsSql = `
  SELECT g.packet_id::text AS "packetId", a.name AS "userId", s.sponsor_id AS "sponsorId", g.amount_fen AS "amountFen", g.epoch,
    g.accepted_at_ms::float8 AS "acceptedAtMs", ${epochMs('g.granted_at')} AS "grantedAtMs"
  FROM grants g JOIN accounts a ON a.id = g.account_id
    JOIN sponsors s ON s.event_id = g.event_id AND s.no = g.sponsor_no
  WHERE g.event_id = $1`;

const grabsSql = `
  SELECT x.packet_id::text AS "packetId", x.portion, a.name AS "userId", x.amount_fen AS "amountFen"
  FROM grabs x JOIN accounts a ON a.id = x.account_id WHERE x.event_id = $1`;

const deadLettersSql = `
  SELECT kind || ' of packet ' || packet_id || ' by ' || user_id || ': ' || error AS text
  FROM dead_letters WHERE event_id = $1`;

const wrongWalletsSql = `
  SELECT a.name || ' holds ' || a.balance_fen || ' fen, its transfers make ' || coalesce(s.fen, 0) AS text
  FROM accounts a LEFT JOIN (
    SELECT account_id, sum(fen) AS fen FROM (
      SELECT credit_account AS account_id, amount_fen AS fen FROM transfers
      UNION ALL SELECT debit_account, -amount_fen FROM transfers) t
    GROUP BY account_id) s ON s.account_id = a.id
  WHERE a.kind = 'wallet' AND a.balance_fen <> coalesce(s.fen, 0)`;

async function textsOf(client: PoolClient, sql: string, values: unknown[]): Promise<string[]> {
  const { rows } = await client.query<{ text: string }>(sql, values);
  return rows.map(({ text }) => text);
}
