import { canEventGo } from '#libs/domain';
import type { Db } from '../pool.ts';

/** The moves that the clock or an operator makes; arming and settling have operations of their own. */
export interface EventMove {
  readonly eventId: number;
  readonly from: 'armed' | 'live';
  readonly to: 'live' | 'closed';
  readonly atMs: number;
}

/**
 * Moves an event on; false when it was not in `from` (any more). `closed_at` is when issuing ended. Throws for a move that the
 * life of an event does not have.
 */
export async function moveEvent(db: Db, { eventId, from, to, atMs }: EventMove): Promise<boolean> {
  if (!canEventGo(from, to)) throw new RangeError(`an event does not go from ${from} to ${to}`);
  const { rowCount } = await db.query(
    `UPDATE events SET state = $3, closed_at = CASE WHEN $3 = 'closed' THEN $4::timestamptz END
     WHERE id = $1 AND state = $2`,
    [eventId, from, to, new Date(atMs)],
  );
  return rowCount === 1;
}
