import { epochMax } from '#libs/domain';
import type { Db } from '../pool.ts';

/** How many blocks of each pool of an event are reclaimed and may have another epoch; pools without any are missing. */
export async function countReclaimed(db: Db, eventId: number): Promise<Map<number, number>> {
  const { rows } = await db.query<{ pool_id: number; count: number }>(
    `SELECT b.pool_id, count(*)::int AS count FROM pools p JOIN blocks b ON b.pool_id = p.id
     WHERE p.event_id = $1 AND b.state = 'reclaimed' AND b.epoch < $2 GROUP BY b.pool_id`,
    [eventId, epochMax],
  );
  return new Map(rows.map(({ pool_id, count }) => [pool_id, count]));
}
