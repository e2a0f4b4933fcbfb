import { type Db, inTransaction } from '../pool.ts';

/**
 * Ends all booking for a closed event: waits for the settlement calls that are under way (they hold the event's advisory lock,
 * class 7301, shared) and marks the event, so that every later one answers `expired` to what is not booked. From then on what is
 * unclaimed stands still. True again when repeated; false when the event is not closed. The caller makes sure that tickets and
 * shares are past and the lanes are clear.
 */
export function beginSettlement(db: Db, { eventId, atMs }: { eventId: number; atMs: number }): Promise<boolean> {
  return inTransaction(db, async (client) => {
    await client.query('SELECT pg_advisory_xact_lock(7301, $1)', [eventId]);
    const { rowCount } = await client.query(
      "UPDATE events SET settling_at = coalesce(settling_at, $2) WHERE id = $1 AND state = 'closed'",
      [eventId, new Date(atMs)],
    );
    return rowCount === 1;
  });
}
