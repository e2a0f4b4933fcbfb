import type { Db } from '../pool.ts';

/**
 * Closes up to `limit` blocks of an event that is being settled (`beginSettlement`), whatever state they are in; gives how many.
 * Repeat until 0. Closes nothing for other events.
 */
export async function closeBlocks(db: Db, { eventId, limit }: { eventId: number; limit: number }): Promise<number> {
  const { rowCount } = await db.query(
    `WITH open AS (
       SELECT b.pool_id, b.block_no
       FROM events e JOIN pools p ON p.event_id = e.id JOIN blocks b ON b.pool_id = p.id
       WHERE e.id = $1 AND e.settling_at IS NOT NULL AND b.state <> 'closed'
       ORDER BY b.pool_id, b.block_no LIMIT $2 FOR UPDATE OF b
     )
     UPDATE blocks b SET state = 'closed' FROM open o
     WHERE b.pool_id = o.pool_id AND b.block_no = o.block_no AND b.state <> 'closed'`,
    [eventId, limit],
  );
  return rowCount ?? 0;
}
