import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import { findPacket } from './find-packet.sql.ts';
import type { GrantRecord } from './grant-record.ts';
import type { OpenDenial } from './settle-opens.sql.ts';

export interface PacketQuestion {
  readonly packetId: bigint;
  readonly userId: string;
  /** Of the user's ticket, which has one outcome. Without it: whether the user has the packet, by whatever ticket. */
  readonly epoch?: number | undefined;
}

/**
 * `pending`: an open of this ticket was accepted at that time and set aside as a dead letter, which may be replayed. `open`: not decided, and
 * nothing of it is here. `uncertain`: as `open`, and the Redis that knew what was on its way in this epoch of its block was replaced, so an
 * open of it may have been accepted of which only its receipt tells, until the event is settled. `unknown`: no such packet was ever stocked. `credited` and
 * the denials are final.
 */
export type PacketLedgerStatus =
  | ({ readonly status: 'credited' } & GrantRecord)
  | { readonly status: 'pending'; readonly acceptedAtMs: number }
  | { readonly status: OpenDenial | 'open' | 'uncertain' | 'unknown' };

interface Row {
  readonly status: PacketLedgerStatus['status'];
  readonly accepted_at_ms: bigint | null;
}

/**
 * One snapshot is enough, although it takes no lock: a grant or denial of a ticket is committed before its block can lapse or its event be
 * settled (settle_opens locks both), so whoever sees that it lapsed sees them too.
 */
const sql = `
  SELECT CASE
      WHEN g.packet_id IS NOT NULL THEN 'credited'
      WHEN d.packet_id IS NOT NULL THEN d.outcome
      WHEN (q.packet_id & 255) < least(p.block_size, p.packet_count - b.block_no * p.block_size) IS NOT TRUE THEN 'unknown'
      WHEN b.state = 'closed' OR b.epoch > q.epoch OR e.settling_at IS NOT NULL THEN 'expired'
      WHEN l.id IS NOT NULL THEN 'pending'
      WHEN b.state = 'retired' AND b.epoch = q.epoch THEN 'uncertain'
      ELSE 'open' END AS status,
    (l.item ->> 'acceptedAtMs')::bigint AS accepted_at_ms
  FROM (SELECT $1::bigint AS packet_id, $2::text COLLATE "C" AS user_id, $3::int AS epoch) q
  LEFT JOIN accounts a ON a.kind = 'wallet' AND a.name = q.user_id
  LEFT JOIN grants g ON g.packet_id = q.packet_id AND g.account_id = a.id AND g.epoch = coalesce(q.epoch, g.epoch)
  LEFT JOIN denials d ON d.packet_id = q.packet_id AND d.epoch = q.epoch AND d.account_id = a.id
  LEFT JOIN blocks b ON b.pool_id = (q.packet_id >> 39)::int AND b.block_no = ((q.packet_id >> 8) & 2147483647)::int
  LEFT JOIN pools p ON p.id = b.pool_id
  LEFT JOIN events e ON e.id = p.event_id
  LEFT JOIN dead_letters l ON l.kind = 'open' AND l.packet_id = q.packet_id AND l.user_id = q.user_id AND l.epoch = q.epoch
    AND (l.replayed_at IS NULL OR l.outcome ->> 'outcome' = 'dead')`;

/**
 * What an open of this packet by this user has come to: what settle_opens kept of it or would say of it whenever it is asked, and never
 * what it would come to if it were accepted now, which is not an outcome yet (invariant 7).
 */
export async function readPacketStatus(
  db: Db,
  { packetId, userId, epoch }: PacketQuestion,
): Promise<PacketLedgerStatus> {
  const { rows } = await db.query<Row>(sql, [packetId, userId, epoch ?? null]);
  const { status, accepted_at_ms } = rows[0]!;
  if (status === 'pending') return { status, acceptedAtMs: safeNumber(accepted_at_ms!) };
  if (status !== 'credited') return { status };
  const grant = await findPacket(db, packetId);
  if (grant === undefined) throw new Error(`the grant of packet ${packetId} is gone`);
  return { status, ...grant };
}
