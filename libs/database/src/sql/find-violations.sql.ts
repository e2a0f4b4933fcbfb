import { setPlanner } from '../planner.ts';
import type { Db } from '../pool.ts';

/** A fact of the ledger that must not be: the rule that it breaks, the row and what is wrong with it. */
export interface Violation {
  readonly rule: string;
  readonly subject: string;
  readonly detail: string;
}

/** `$1` is the event; each row is one violation. They use no counter: rows are held against rows. */
const rules: Readonly<Record<string, string>> = {
  // invariant 8: every fen is a transfer between two accounts
  transfer_accounts: `
    SELECT t.kind || ' ' || t.ref || '/' || t.portion AS subject, 'its debit or credit account does not exist' AS detail
    FROM transfers t
    LEFT JOIN accounts d ON d.id = t.debit_account
    LEFT JOIN accounts c ON c.id = t.credit_account
    WHERE t.event_id = $1 AND (d.id IS NULL OR c.id IS NULL)`,
  transfer_event: `
    SELECT t.kind || ' ' || t.ref || '/' || t.portion AS subject, 'is in event ' || t.event_id AS detail
    FROM pools p JOIN transfers t ON t.pool_id = p.id
    WHERE p.event_id = $1 AND t.event_id <> $1`,
  fund: `
    SELECT 'pool ' || p.id AS subject, 'funded with ' || coalesce(t.amount_fen, 0) || ' fen, or between other accounts' AS detail
    FROM pools p
    JOIN events e ON e.id = p.event_id
    JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
    LEFT JOIN transfers t ON t.kind = 'fund' AND t.ref = p.id
    WHERE p.event_id = $1 AND (t.amount_fen, t.debit_account, t.credit_account) IS DISTINCT FROM
      (CASE WHEN e.state <> 'draft' THEN p.budget_fen + p.share_budget_fen END, s.account_id, p.account_id)
      AND NOT (e.state = 'draft' AND t.ref IS NULL)`,
  refund: `
    SELECT 'pool ' || p.id AS subject, 'refunded before it was settled, or between other accounts' AS detail
    FROM transfers t
    JOIN pools p ON p.id = t.ref
    JOIN events e ON e.id = p.event_id
    JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
    WHERE t.kind = 'refund' AND p.event_id = $1
      AND (e.state <> 'settled' OR (t.debit_account, t.credit_account) IS DISTINCT FROM (p.account_id, s.account_id))`,
  overdrawn: `
    SELECT 'pool ' || t.pool_id AS subject, 'gave out more than it got, by ' || -sum(t.signed_fen) || ' fen' AS detail
    FROM (
      SELECT pool_id, CASE WHEN kind = 'fund' THEN amount_fen ELSE -amount_fen END AS signed_fen
      FROM transfers WHERE event_id = $1
    ) t
    GROUP BY t.pool_id HAVING sum(t.signed_fen) < 0`,
  // invariants 1 and 8: a grant is one transfer, for its amount, from the pool to its user
  grant_transfer: `
    SELECT 'packet ' || coalesce(g.packet_id, t.ref) AS subject,
      CASE WHEN t.ref IS NULL THEN 'granted without a transfer' WHEN g.packet_id IS NULL THEN 'transfer without a grant'
        ELSE 'grant and transfer differ' END AS detail
    FROM (SELECT * FROM grants WHERE event_id = $1) g
    FULL JOIN (SELECT * FROM transfers WHERE kind = 'grant' AND event_id = $1) t ON t.ref = g.packet_id
    LEFT JOIN pools p ON p.id = (g.packet_id >> 39)::int
    WHERE (t.amount_fen, t.credit_account, t.debit_account) IS DISTINCT FROM (g.amount_fen, g.account_id, p.account_id)`,
  grab_transfer: `
    SELECT 'packet ' || coalesce(x.packet_id, t.ref) || '/' || coalesce(x.portion, t.portion) AS subject,
      CASE WHEN t.ref IS NULL THEN 'grabbed without a transfer' WHEN x.packet_id IS NULL THEN 'transfer without a grab'
        ELSE 'grab and transfer differ' END AS detail
    FROM (SELECT * FROM grabs WHERE event_id = $1) x
    FULL JOIN (SELECT * FROM transfers WHERE kind = 'grab' AND event_id = $1) t
      ON t.ref = x.packet_id AND t.portion = x.portion
    LEFT JOIN pools p ON p.id = (x.packet_id >> 39)::int
    WHERE (t.amount_fen, t.credit_account, t.debit_account) IS DISTINCT FROM (x.amount_fen, x.account_id, p.account_id)`,
  // of all wallets: a wallet belongs to no event
  wallet_balance: `
    SELECT 'account ' || a.id AS subject,
      'holds ' || a.balance_fen || ' fen, its transfers say ' || coalesce(s.fen, 0) AS detail
    FROM accounts a
    LEFT JOIN (
      SELECT m.account_id, sum(m.fen) AS fen FROM (
        SELECT credit_account AS account_id, amount_fen AS fen FROM transfers
        UNION ALL SELECT debit_account, -amount_fen FROM transfers
      ) m GROUP BY m.account_id
    ) s ON s.account_id = a.id
    WHERE a.kind = 'wallet' AND a.balance_fen <> coalesce(s.fen, 0) AND $1::int IS NOT NULL`,
  // invariant 5: the limits, by the plan and not by what the grant says of itself
  per_user_max: `
    SELECT 'account ' || g.account_id AS subject, 'has ' || count(*) || ' packets' AS detail
    FROM grants g JOIN events e ON e.id = g.event_id
    WHERE g.event_id = $1 GROUP BY g.account_id, e.per_user_max HAVING count(*) > e.per_user_max`,
  one_per_sponsor: `
    SELECT 'account ' || g.account_id AS subject, 'has ' || count(*) || ' packets of sponsor ' || p.sponsor_no AS detail
    FROM grants g JOIN pools p ON p.id = (g.packet_id >> 39)::int
    WHERE g.event_id = $1 GROUP BY g.account_id, p.sponsor_no HAVING count(*) > 1`,
  grant_plan: `
    SELECT 'packet ' || g.packet_id AS subject, 'is none of the event''s plan: pool, sponsor, index or amount' AS detail
    FROM grants g LEFT JOIN pools p ON p.id = (g.packet_id >> 39)::int
    WHERE g.event_id = $1 AND (p.event_id = g.event_id AND p.sponsor_no = g.sponsor_no
      AND g.amount_fen BETWEEN p.min_fen AND p.max_fen AND (g.packet_id & 255) < p.block_size
      AND ((g.packet_id >> 8) & 2147483647) * p.block_size + (g.packet_id & 255) < p.packet_count) IS NOT TRUE`,
  // invariant 3: nothing is granted of a block that was not stocked, or in an epoch that it never had
  grant_block: `
    SELECT 'packet ' || g.packet_id AS subject, 'granted in epoch ' || g.epoch || ', its block is in ' || coalesce(b.epoch, 0) AS detail
    FROM grants g
    LEFT JOIN blocks b ON b.pool_id = (g.packet_id >> 39)::int AND b.block_no = ((g.packet_id >> 8) & 2147483647)::int
    WHERE g.event_id = $1 AND (b.epoch >= g.epoch) IS NOT TRUE`,
  grab_plan: `
    SELECT 'packet ' || x.packet_id AS subject, count(*) || ' portions grabbed, the last is ' || max(x.portion) AS detail
    FROM grabs x LEFT JOIN pools p ON p.id = (x.packet_id >> 39)::int
    WHERE x.event_id = $1 GROUP BY x.packet_id, p.share_portions, p.event_id
    HAVING count(*) <> max(x.portion) OR max(x.portion) > coalesce(p.share_portions, 0) OR p.event_id IS DISTINCT FROM $1`,
  stocked_blocks: `
    SELECT 'pool ' || p.id AS subject, count(b.block_no) || ' blocks, next_block is ' || p.next_block AS detail
    FROM pools p LEFT JOIN blocks b ON b.pool_id = p.id
    WHERE p.event_id = $1 GROUP BY p.id, p.next_block
    HAVING count(b.block_no) <> p.next_block OR coalesce(max(b.block_no) >= p.next_block, false)`,
  settled_blocks: `
    SELECT 'pool ' || b.pool_id AS subject, 'block ' || b.block_no || ' of a settled event is ' || b.state AS detail
    FROM events e JOIN pools p ON p.event_id = e.id JOIN blocks b ON b.pool_id = p.id
    WHERE e.id = $1 AND e.state = 'settled' AND b.state <> 'closed'`,
};

/** The names of the rules that `findViolations` checks. */
export const violationRules: readonly string[] = Object.keys(rules);

/**
 * Everything in the ledger of an event that breaks an invariant, up to `limitPerRule` rows of each rule; none when all is well.
 * Each rule reads whole tables: use a connection whose statement timeout allows for it, and one `inSnapshot` for all of it.
 */
export async function findViolations(
  db: Db,
  { eventId, limitPerRule }: { eventId: number; limitPerRule: number },
): Promise<Violation[]> {
  // whole tables are hashed or merged: nested loops, which a wrong estimate chooses, would run for hours on a large ledger
  await setPlanner(db, { enable_nestloop: 'off', enable_bitmapscan: 'on', enable_sort: 'on' });
  const violations: Violation[] = [];
  for (const [rule, sql] of Object.entries(rules)) {
    const text = `SELECT v.subject, v.detail FROM (${sql}) v ORDER BY v.subject LIMIT $2`;
    const { rows } = await db.query<Omit<Violation, 'rule'>>(text, [eventId, limitPerRule]);
    violations.push(...rows.map(({ subject, detail }) => ({ rule, subject, detail })));
  }
  return violations;
}
