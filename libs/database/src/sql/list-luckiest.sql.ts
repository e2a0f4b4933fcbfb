import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';

export interface LuckyRecord {
  readonly userId: string;
  readonly sponsorNo: number;
  readonly amountFen: Fen;
  readonly acceptedAtMs: number;
}

/**
 * The largest packets of an event, up to `limit`; of equal ones the earliest. It reads all of the event's grants (an index by
 * amount would cost every open 7 %, and the leaderboard is the first to yield): call it through a cache.
 */
export async function listLuckiest(
  db: Db,
  { eventId, limit }: { eventId: number; limit: number },
): Promise<LuckyRecord[]> {
  const { rows } = await db.query<{ user_id: string; sponsor_no: number; amount_fen: number; accepted_at_ms: bigint }>(
    `SELECT a.name AS user_id, g.sponsor_no, g.amount_fen, g.accepted_at_ms
     FROM (
       SELECT account_id, sponsor_no, amount_fen, accepted_at_ms, packet_id FROM grants WHERE event_id = $1
       ORDER BY amount_fen DESC, accepted_at_ms, packet_id LIMIT $2
     ) g
     JOIN accounts a ON a.id = g.account_id
     ORDER BY g.amount_fen DESC, g.accepted_at_ms, g.packet_id`,
    [eventId, limit],
  );
  return rows.map((row) => ({
    userId: row.user_id,
    sponsorNo: row.sponsor_no,
    amountFen: row.amount_fen,
    acceptedAtMs: safeNumber(row.accepted_at_ms),
  }));
}
