import type { Db } from '../pool.ts';

/**
 * out → retired for every block of every event; gives how many. Called when the Redis store was replaced (invariant 10): what
 * was out may be in a gateway's hands or on a list that is gone, and is not issued again in its event. Tickets of these blocks
 * are still granted.
 */
export async function retireBlocks(db: Db): Promise<number> {
  const { rowCount } = await db.query(
    `WITH gone AS (
       SELECT pool_id, block_no FROM blocks WHERE state = 'out' ORDER BY pool_id, block_no FOR UPDATE
     )
     UPDATE blocks b SET state = 'retired' FROM gone g
     WHERE b.pool_id = g.pool_id AND b.block_no = g.block_no AND b.state = 'out'`,
  );
  return rowCount ?? 0;
}
