import type { Db } from '../pool.ts';
import type { Violation } from '../violation.ts';
import type { AuditedPool } from './audit-pools.sql.ts';

/** Blocks of one statement: some hundred thousand index entries, well under a second. */
export const blocksPerPage = 200_000;

interface Row {
  readonly count: number;
  readonly expected: number;
  readonly unstocked: number;
  readonly open: number;
}

/** From the last page on all that there is, so that blocks past the plan show. */
const sql = `
  SELECT count(b.block_no)::int AS count, greatest(least($3::bigint, p.next_block) - $2, 0)::int AS expected,
    (count(*) FILTER (WHERE b.block_no >= p.next_block))::int AS unstocked,
    (count(*) FILTER (WHERE b.state <> 'closed' AND e.state = 'settled'))::int AS open
  FROM pools p
  JOIN events e ON e.id = p.event_id
  LEFT JOIN (SELECT * FROM blocks WHERE pool_id = $1 AND block_no >= $2 AND block_no < $3::bigint) b ON true
  WHERE p.id = $1
  GROUP BY p.id, e.id`;

/**
 * Proves of the pool's blocks `[fromBlock, fromBlock + blocksPerPage)` (to the end of all numbers on the last page): each that was
 * stocked by `next_block` has its row and no other has (invariant 3), and none of a settled event can still be granted from.
 */
export async function auditBlocks(db: Db, pool: AuditedPool, fromBlock: number): Promise<Violation[]> {
  const isLast = fromBlock + blocksPerPage >= pool.blockCount;
  const { rows } = await db.query<Row>(sql, [pool.poolId, fromBlock, isLast ? 2 ** 31 : fromBlock + blocksPerPage]);
  const { count, expected, unstocked, open } = rows[0]!;
  const subject = `pool ${pool.poolId}`;
  const violations: Violation[] = [];
  if (count !== expected || unstocked > 0) {
    const detail = `${count} blocks from block ${fromBlock} on, ${unstocked} of them not stocked; stocked were ${expected}`;
    violations.push({ rule: 'stocked_blocks', subject, detail });
  }
  if (open > 0) {
    const detail = `${open} blocks of a settled event, from block ${fromBlock} on, are not closed`;
    violations.push({ rule: 'settled_blocks', subject, detail });
  }
  return violations;
}
