import type { Db } from '../pool.ts';

/** The secret of an event that was armed; undefined for a draft. For allocation alone. */
export async function loadEventSecret(db: Db, eventId: number): Promise<Buffer | undefined> {
  const sql = 'SELECT secret FROM event_secrets WHERE event_id = $1';
  const { rows } = await db.query<{ secret: Buffer }>(sql, [eventId]);
  return rows[0]?.secret;
}
