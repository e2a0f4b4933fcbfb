import type { Db } from '../pool.ts';
import { type GrantRecord, type GrantRow, grantColumns, grantRecordOf, grantTables } from './grant-record.ts';

export interface PacketPage {
  readonly packets: GrantRecord[];
  /** For the next page; undefined on the last one. */
  readonly nextCursor: string | undefined;
}

const cursorPattern = /^([1-9]\d{0,9})\.([1-9]\d{0,4})$/;

/**
 * A user's packets, latest event first and in it the latest packet first, up to `limit`. Throws a RangeError for a cursor that no
 * page gave out.
 */
export async function listPackets(
  db: Db,
  { userId, limit, cursor }: { userId: string; limit: number; cursor?: string | undefined },
): Promise<PacketPage> {
  const [eventId, ordinal] = readCursor(cursor);
  const { rows } = await db.query<GrantRow>(
    `SELECT ${grantColumns} FROM ${grantTables}
     WHERE g.account_id = (SELECT id FROM accounts WHERE kind = 'wallet' AND name = $1)
       AND (g.event_id, g.ordinal) < ($2::bigint, $3::int)
     ORDER BY g.event_id DESC, g.ordinal DESC LIMIT $4`,
    [userId, eventId, ordinal, limit + 1],
  );
  const packets = rows.slice(0, limit).map(grantRecordOf);
  const last = packets.at(-1);
  return { packets, nextCursor: rows.length > limit && last ? `${last.eventId}.${last.ordinal}` : undefined };
}

function readCursor(cursor: string | undefined): [eventId: number, ordinal: number] {
  if (cursor === undefined) return [Number.MAX_SAFE_INTEGER, 0];
  const match = cursorPattern.exec(cursor);
  if (match === null) throw new RangeError('the cursor is not one of ours');
  return [Number(match[1]), Number(match[2])];
}
