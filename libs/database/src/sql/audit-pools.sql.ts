import type { EventState, Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import type { Violation } from '../violation.ts';

/** A pool of an event as an audit holds it against what was booked. */
export interface AuditedPool {
  readonly poolId: number;
  readonly eventId: number;
  /** Undefined before the event is armed. */
  readonly accountId: bigint | undefined;
  readonly sponsorNo: number;
  readonly packetCount: number;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly minFen: Fen;
  readonly maxFen: Fen;
  readonly sharePortions: number;
  readonly budgetFen: Fen;
  readonly shareBudgetFen: Fen;
  /** 0 before the event is armed, then `budgetFen + shareBudgetFen`. */
  readonly fundedFen: Fen;
  readonly refundedFen: Fen;
  readonly stockedPackets: number;
}

export interface PoolsAudit {
  readonly state: EventState;
  /** True when nothing is granted or grabbed any more. */
  readonly isSettling: boolean;
  readonly pools: readonly AuditedPool[];
  readonly violations: readonly Violation[];
}

interface Row {
  readonly state: EventState;
  readonly is_settling: boolean;
  readonly id: number;
  readonly event_id: number;
  readonly account_id: bigint | null;
  readonly sponsor_no: number;
  readonly packet_count: number;
  readonly block_size: number;
  readonly block_count: number;
  readonly min_fen: number;
  readonly max_fen: number;
  readonly share_portions: number;
  readonly budget_fen: bigint;
  readonly share_budget_fen: bigint;
  readonly funded_fen: bigint;
  readonly refunded_fen: bigint;
  readonly stocked_packets: bigint;
  readonly is_fund_right: boolean;
  readonly is_refund_right: boolean;
  readonly has_accounts: boolean;
}

/** A draft has no money; from armed on a pool has its plan's funds from its sponsor. Only a settled event may have refunds, to its sponsor. */
const sql = `
  SELECT e.state, e.settling_at IS NOT NULL AS is_settling, p.id, p.event_id, p.account_id, p.sponsor_no, p.packet_count,
    p.block_size, p.block_count, p.min_fen, p.max_fen, p.share_portions, p.budget_fen, p.share_budget_fen,
    coalesce(f.amount_fen, 0)::bigint AS funded_fen, coalesce(r.amount_fen, 0)::bigint AS refunded_fen,
    least(p.next_block::bigint * p.block_size, p.packet_count) AS stocked_packets,
    CASE WHEN e.state = 'draft' THEN f.ref IS NULL
      ELSE (f.amount_fen = p.budget_fen + p.share_budget_fen AND f.debit_account = s.account_id
        AND f.credit_account = p.account_id AND f.event_id = e.id AND f.pool_id = p.id) IS TRUE END AS is_fund_right,
    r.ref IS NULL OR (e.state = 'settled' AND r.debit_account = p.account_id AND r.credit_account = s.account_id
      AND r.event_id = e.id AND r.pool_id = p.id) IS TRUE AS is_refund_right,
    (e.state = 'draft' AND num_nonnulls(p.account_id, s.account_id, f.ref, r.ref) = 0) OR (
      pa.kind = 'pool' AND sa.kind = 'sponsor' AND (f.ref IS NULL OR num_nonnulls(fd.id, fc.id) = 2)
      AND (r.ref IS NULL OR num_nonnulls(rd.id, rc.id) = 2)) IS TRUE AS has_accounts
  FROM pools p
  JOIN events e ON e.id = p.event_id
  JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
  LEFT JOIN LATERAL (SELECT * FROM transfers WHERE kind = 'fund' AND ref = p.id AND portion = 0 LIMIT 1) f ON true
  LEFT JOIN LATERAL (SELECT * FROM transfers WHERE kind = 'refund' AND ref = p.id AND portion = 0 LIMIT 1) r ON true
  LEFT JOIN LATERAL (SELECT kind FROM accounts WHERE id = p.account_id LIMIT 1) pa ON true
  LEFT JOIN LATERAL (SELECT kind FROM accounts WHERE id = s.account_id LIMIT 1) sa ON true
  LEFT JOIN LATERAL (SELECT id FROM accounts WHERE id = f.debit_account LIMIT 1) fd ON true
  LEFT JOIN LATERAL (SELECT id FROM accounts WHERE id = f.credit_account LIMIT 1) fc ON true
  LEFT JOIN LATERAL (SELECT id FROM accounts WHERE id = r.debit_account LIMIT 1) rd ON true
  LEFT JOIN LATERAL (SELECT id FROM accounts WHERE id = r.credit_account LIMIT 1) rc ON true
  WHERE p.event_id = $1 ORDER BY p.id`;

/**
 * The pools of an event with what they were funded with and refunded, in one statement. Proves of each pool (invariant 8): one fund of the plan's
 * amount from its sponsor, at most one refund, back to the sponsor and only when the event is settled, and that the
 * accounts of both exist. Undefined for an event without pools: there is none.
 */
export async function auditPools(db: Db, eventId: number): Promise<PoolsAudit | undefined> {
  const { rows } = await db.query<Row>(sql, [eventId]);
  const [first] = rows;
  if (first === undefined) return undefined;
  const pools = rows.map(auditedPoolOf);
  return { state: first.state, isSettling: first.is_settling, pools, violations: rows.flatMap(violationsOf) };
}

function auditedPoolOf(row: Row): AuditedPool {
  return {
    poolId: row.id,
    eventId: row.event_id,
    accountId: row.account_id ?? undefined,
    sponsorNo: row.sponsor_no,
    packetCount: row.packet_count,
    blockSize: row.block_size,
    blockCount: row.block_count,
    minFen: row.min_fen,
    maxFen: row.max_fen,
    sharePortions: row.share_portions,
    budgetFen: safeNumber(row.budget_fen),
    shareBudgetFen: safeNumber(row.share_budget_fen),
    fundedFen: safeNumber(row.funded_fen),
    refundedFen: safeNumber(row.refunded_fen),
    stockedPackets: safeNumber(row.stocked_packets),
  };
}

function violationsOf(row: Row): Violation[] {
  const subject = `pool ${row.id}`;
  const found: Violation[] = [];
  if (!row.has_accounts) {
    found.push({
      rule: 'transfer_accounts',
      subject,
      detail: 'an account of it, of its fund or of its refund does not exist',
    });
  }
  if (!row.is_fund_right) {
    found.push({ rule: 'fund', subject, detail: `funded with ${row.funded_fen} fen, or between other accounts` });
  }
  if (!row.is_refund_right) {
    found.push({ rule: 'refund', subject, detail: 'refunded before it was settled, or between other accounts' });
  }
  return found;
}
