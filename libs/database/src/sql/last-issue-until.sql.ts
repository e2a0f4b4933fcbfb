import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';

/**
 * Until when the blocks of an event that were ever stocked may be issued at the latest, store-clock ms; undefined when none was. Of a closed
 * event it does not change any more: who stocks holds the event's row until it commits, so nothing is stocked that its closing did not wait for.
 */
export async function readLastIssueUntil(db: Db, eventId: number): Promise<number | undefined> {
  const { rows } = await db.query<{ ms: bigint | null }>(
    'SELECT max(b.issue_until_ms) AS ms FROM pools p JOIN blocks b ON b.pool_id = p.id WHERE p.event_id = $1',
    [eventId],
  );
  const { ms } = rows[0]!;
  return ms === null ? undefined : safeNumber(ms);
}
