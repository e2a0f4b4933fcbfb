import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { msOf } from '../safe-number.ts';
import { findPacket } from './find-packet.sql.ts';
import type { GrantRecord } from './grant-record.ts';

/** A share of a granted packet: `taken` of `grant.sharePortions` portions are gone. */
export interface ShareRecord {
  readonly grant: GrantRecord;
  readonly taken: number;
}

export interface GrabRecord {
  readonly userId: string;
  readonly portion: number;
  readonly amountFen: Fen;
  readonly grabbedAtMs: number;
}

interface GrabRow {
  readonly user_id: string;
  readonly portion: number;
  readonly amount_fen: number;
  readonly grabbed_at: Date;
}

/** A packet's share; undefined while the packet is not granted. */
export async function readShare(db: Db, packetId: bigint): Promise<ShareRecord | undefined> {
  const grant = await findPacket(db, packetId);
  if (grant === undefined) return undefined;
  // portions are given from 1 on without gaps, and never taken back
  const sql = 'SELECT portion FROM grabs WHERE packet_id = $1 ORDER BY portion DESC LIMIT 1';
  const { rows } = await db.query<{ portion: number }>(sql, [packetId]);
  return { grant, taken: rows[0]?.portion ?? 0 };
}

const grabColumns = 'a.name AS user_id, x.portion, x.amount_fen, x.grabbed_at';

/** The grabs of a packet's share in the order of their portions, up to `limit`. */
export async function listGrabs(
  db: Db,
  { packetId, limit }: { packetId: bigint; limit: number },
): Promise<GrabRecord[]> {
  const { rows } = await db.query<GrabRow>(
    `SELECT ${grabColumns} FROM grabs x JOIN accounts a ON a.id = x.account_id
     WHERE x.packet_id = $1 ORDER BY x.portion LIMIT $2`,
    [packetId, limit],
  );
  return rows.map(grabRecordOf);
}

/** A share: the ticket of its owner. */
export interface ShareKey {
  readonly packetId: bigint;
  readonly epoch: number;
  readonly ownerId: string;
}

/** What a user took of a share; undefined when nothing, and when the packet was granted by another ticket than the share's. */
export async function findGrab(
  db: Db,
  { packetId, epoch, ownerId }: ShareKey,
  userId: string,
): Promise<GrabRecord | undefined> {
  const { rows } = await db.query<GrabRow>(
    `SELECT ${grabColumns} FROM accounts a JOIN grabs x ON x.account_id = a.id AND x.packet_id = $1
       JOIN grants g ON g.packet_id = x.packet_id AND g.epoch = $3
       JOIN accounts o ON o.id = g.account_id AND o.kind = 'wallet' AND o.name = $4
     WHERE a.kind = 'wallet' AND a.name = $2`,
    [packetId, userId, epoch, ownerId],
  );
  return rows[0] && grabRecordOf(rows[0]);
}

function grabRecordOf({ user_id, portion, amount_fen, grabbed_at }: GrabRow): GrabRecord {
  return { userId: user_id, portion, amountFen: amount_fen, grabbedAtMs: msOf(grabbed_at) };
}
