import type { Db } from '../pool.ts';

export type DeadLetterKind = 'open' | 'grab';

/** An item that can never be settled: where it was, what it is (`item`: the job's own form, for a replay) and why. */
export interface NewDeadLetter {
  readonly kind: DeadLetterKind;
  readonly lane: string;
  readonly eventId: number;
  readonly packetId: bigint;
  readonly userId: string;
  readonly epoch: number;
  readonly item: unknown;
  readonly error: string;
}

const errorLengthMax = 2_000;

/**
 * Keeps items as dead letters (invariant 9); gives how many rows were written. The same item again (kind, packet, user, epoch) does
 * not become a second letter: it opens the one there is, also when that had been replayed.
 */
export async function insertDeadLetters(db: Db, letters: readonly NewDeadLetter[]): Promise<number> {
  const { rowCount } = await db.query(
    `INSERT INTO dead_letters AS d (kind, lane, event_id, packet_id, user_id, epoch, item, error)
     SELECT DISTINCT ON (n.kind, n.packet_id, n.user_id, n.epoch) n.*
     FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::int[], $7::jsonb[], $8::text[])
       AS n (kind, lane, event_id, packet_id, user_id, epoch, item, error)
     ORDER BY n.kind, n.packet_id, n.user_id, n.epoch
     ON CONFLICT (kind, packet_id, user_id, epoch)
     DO UPDATE SET lane = excluded.lane, item = excluded.item, error = excluded.error, replayed_at = NULL, outcome = NULL`,
    [
      letters.map(({ kind }) => kind),
      letters.map(({ lane }) => lane),
      letters.map(({ eventId }) => eventId),
      letters.map(({ packetId }) => packetId),
      letters.map(({ userId }) => storable(userId)),
      letters.map(({ epoch }) => epoch),
      letters.map(({ item }) => JSON.stringify(item, storableValue)),
      letters.map(({ error }) => storable(error).slice(0, errorLengthMax)),
    ],
  );
  return rowCount ?? 0;
}

/** PostgreSQL refuses U+0000 and halves of surrogate pairs, and odd data must not be lost at the very place that keeps it. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').replace(/\p{Surrogate}/gu, '\ufffd');
}

function storableValue(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  return typeof value === 'bigint' ? value.toString() : value;
}
