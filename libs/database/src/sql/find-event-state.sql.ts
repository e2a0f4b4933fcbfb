import type { EventState } from '#libs/domain';
import type { Db } from '../pool.ts';

/** The state of an event; undefined for one that does not exist. @throws the database's error. */
export async function findEventState(db: Db, eventId: number): Promise<EventState | undefined> {
  const { rows } = await db.query<{ state: EventState }>('SELECT state FROM events WHERE id = $1', [eventId]);
  return rows[0]?.state;
}
