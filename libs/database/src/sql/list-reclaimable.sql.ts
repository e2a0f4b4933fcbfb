import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import { hasNoDeadLetter, isPastAt } from './packet-range.ts';

export interface ReclaimCandidate {
  readonly poolId: number;
  readonly blockNo: number;
  readonly epoch: number;
  readonly issueUntilMs: number;
}

/**
 * Blocks of an event that are out and whose time is past (`issue_until + ticket_ttl + grace <= nowMs`), without those that keep
 * an open dead letter (invariant 9); oldest first. The caller adds what only Redis knows, that the block's
 * lane is quiet (`canReclaim`), and hands the rest to `reclaimBlocks`.
 */
export async function listReclaimable(
  db: Db,
  { eventId, nowMs, limit }: { eventId: number; nowMs: number; limit: number },
): Promise<ReclaimCandidate[]> {
  const { rows } = await db.query<{ pool_id: number; block_no: number; epoch: number; issue_until_ms: bigint }>(
    `SELECT b.pool_id, b.block_no, b.epoch, b.issue_until_ms
     FROM events e JOIN pools p ON p.event_id = e.id JOIN blocks b ON b.pool_id = p.id
     WHERE e.id = $1 AND b.state = 'out' AND ${isPastAt('$2')}
       AND ${hasNoDeadLetter}
     ORDER BY b.issue_until_ms, b.pool_id, b.block_no
     LIMIT $3`,
    [eventId, nowMs, limit],
  );
  return rows.map((row) => ({
    poolId: row.pool_id,
    blockNo: row.block_no,
    epoch: row.epoch,
    issueUntilMs: safeNumber(row.issue_until_ms),
  }));
}
