import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';

/** Dead letters that wait for a replay, of one event or of all. */
export async function countOpenDeadLetters(db: Db, eventId?: number): Promise<number> {
  const { rows } = await db.query<{ count: bigint }>(
    'SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL AND ($1::int IS NULL OR event_id = $1)',
    [eventId ?? null],
  );
  return safeNumber(rows[0]!.count);
}
