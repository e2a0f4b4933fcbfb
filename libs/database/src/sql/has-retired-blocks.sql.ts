import type { Db } from '../pool.ts';

/**
 * Whether an event had blocks out when the Redis store was replaced (invariant 10), so that opens of them may be known by their receipts alone. Whoever
 * has seen the stamp of a store is told of all changes before it: blocks are retired first.
 */
export async function hasRetiredBlocks(db: Db, eventId: number): Promise<boolean> {
  const { rows } = await db.query<{ has: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pools p JOIN blocks b ON b.pool_id = p.id WHERE p.event_id = $1 AND b.state = 'retired'
     ) AS has`,
    [eventId],
  );
  return rows[0]!.has;
}
