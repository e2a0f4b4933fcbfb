import type { Db } from '../pool.ts';
import { findPacket } from './find-packet.sql.ts';
import type { GrantRecord } from './grant-record.ts';

export interface PacketQuestion {
  readonly packetId: bigint;
  readonly userId: string;
  /** Of the user's ticket; without it a block that was reissued does not count as expired. */
  readonly epoch?: number | undefined;
}

/** `open`: nothing stands against it yet. `unknown`: no such packet was ever stocked. All but `open` are final. */
export type PacketLedgerStatus =
  | ({ readonly status: 'credited' } & GrantRecord)
  | { readonly status: 'open' | 'taken' | 'limit' | 'sponsor_limit' | 'expired' | 'unknown' };

/**
 * What an open of this packet by this user has come to, or would come to now, by the rules of settle_opens and without asking
 * it: none of the facts that deny an open ever turns back. Limits go before expiry, so that an open that was denied by a limit is told
 * the same when it asks again after the block came back (invariant 7).
 */
export async function readPacketStatus(db: Db, question: PacketQuestion): Promise<PacketLedgerStatus> {
  const granted = await readGranted(db, question);
  if (granted !== undefined) return granted;
  const status = await readDenial(db, question);
  if (status === 'open') return { status };
  // a grant of this packet that was booked since the first look may itself be what the denial rests on: it goes first
  return (await readGranted(db, question)) ?? { status };
}

async function readGranted(
  db: Db,
  { packetId, userId }: PacketQuestion,
): Promise<Exclude<PacketLedgerStatus, { status: Denial }> | undefined> {
  const grant = await findPacket(db, packetId);
  if (grant === undefined) return undefined;
  return grant.userId === userId ? { status: 'credited', ...grant } : { status: 'taken' };
}

type Denial = 'open' | 'limit' | 'sponsor_limit' | 'expired' | 'unknown';

async function readDenial(db: Db, { packetId, userId, epoch }: PacketQuestion): Promise<Denial> {
  const { rows } = await db.query<{ status: Denial }>(
    `SELECT CASE
       WHEN (packet.id & 255) >= least(p.block_size, p.packet_count - b.block_no * p.block_size) THEN 'unknown'
       WHEN s.account_id IS NOT NULL THEN 'sponsor_limit'
       WHEN h.ordinal >= e.per_user_max THEN 'limit'
       WHEN b.state = 'closed' OR e.settling_at IS NOT NULL OR b.epoch > $3 THEN 'expired'
       ELSE 'open' END AS status
     FROM (SELECT $1::bigint AS id) packet
     JOIN blocks b ON b.pool_id = (packet.id >> 39)::int AND b.block_no = ((packet.id >> 8) & 2147483647)::int
     JOIN pools p ON p.id = b.pool_id
     JOIN events e ON e.id = p.event_id
     LEFT JOIN accounts a ON a.kind = 'wallet' AND a.name = $2
     LEFT JOIN grants s ON s.account_id = a.id AND s.event_id = e.id AND s.sponsor_no = p.sponsor_no
     LEFT JOIN LATERAL (
       SELECT ordinal FROM grants WHERE account_id = a.id AND event_id = e.id ORDER BY ordinal DESC LIMIT 1
     ) h ON true`,
    [packetId, userId, epoch ?? null],
  );
  return rows[0]?.status ?? 'unknown';
}
