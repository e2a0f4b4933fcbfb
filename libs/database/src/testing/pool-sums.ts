import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import { packetsOfPool } from '../sql/packet-range.ts';

/** A pool's side of the equation (invariant 8): plan, and sums over transfers. What is unclaimed the caller derives. */
export interface PoolSums {
  readonly poolId: number;
  readonly budgetFen: Fen;
  readonly shareBudgetFen: Fen;
  /** 0 before the event is armed, then `budgetFen + shareBudgetFen`. */
  readonly fundedFen: Fen;
  readonly grantedFen: Fen;
  readonly grabbedFen: Fen;
  readonly refundedFen: Fen;
  readonly grantedPackets: number;
  readonly grabbedPortions: number;
  readonly stockedPackets: number;
}

interface Row {
  readonly id: number;
  readonly budget_fen: bigint;
  readonly share_budget_fen: bigint;
  readonly funded_fen: bigint;
  readonly granted_fen: bigint;
  readonly grabbed_fen: bigint;
  readonly refunded_fen: bigint;
  readonly granted_packets: bigint;
  readonly grabbed_portions: bigint;
  readonly stocked_packets: bigint;
}

/**
 * The sums of each pool of an event, by id, counted from the ledger (primary key ranges of `transfers`), not from counters. Read
 * them in one `inSnapshot` with the streams of grants and grabs.
 */
export async function readPoolSums(db: Db, eventId: number): Promise<PoolSums[]> {
  const { rows } = await db.query<Row>(
    `SELECT p.id, p.budget_fen, p.share_budget_fen,
       least(p.next_block::bigint * p.block_size, p.packet_count) AS stocked_packets,
       fund.fen AS funded_fen, refund.fen AS refunded_fen,
       granted.fen AS granted_fen, granted.count AS granted_packets,
       grabbed.fen AS grabbed_fen, grabbed.count AS grabbed_portions
     FROM pools p
     CROSS JOIN LATERAL (${sumOf('fund', 'ref = p.id')}) fund
     CROSS JOIN LATERAL (${sumOf('refund', 'ref = p.id')}) refund
     CROSS JOIN LATERAL (${sumOf('grant', packetsOfPool('ref', 'p.id'))}) granted
     CROSS JOIN LATERAL (${sumOf('grab', packetsOfPool('ref', 'p.id'))}) grabbed
     WHERE p.event_id = $1 ORDER BY p.id`,
    [eventId],
  );
  return rows.map(sumsOf);
}

function sumOf(kind: string, refs: string): string {
  return `SELECT coalesce(sum(amount_fen), 0)::bigint AS fen, count(*) FROM transfers WHERE kind = '${kind}' AND ${refs}`;
}

function sumsOf(row: Row): PoolSums {
  return {
    poolId: row.id,
    budgetFen: safeNumber(row.budget_fen),
    shareBudgetFen: safeNumber(row.share_budget_fen),
    fundedFen: safeNumber(row.funded_fen),
    grantedFen: safeNumber(row.granted_fen),
    grabbedFen: safeNumber(row.grabbed_fen),
    refundedFen: safeNumber(row.refunded_fen),
    grantedPackets: safeNumber(row.granted_packets),
    grabbedPortions: safeNumber(row.grabbed_portions),
    stockedPackets: safeNumber(row.stocked_packets),
  };
}
