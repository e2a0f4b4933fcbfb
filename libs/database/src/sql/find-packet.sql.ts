import type { Db } from '../pool.ts';
import { type GrantRecord, type GrantRow, grantColumns, grantRecordOf, grantTables } from './grant-record.ts';

/** The grant of a packet; undefined when it is not granted. */
export async function findPacket(db: Db, packetId: bigint): Promise<GrantRecord | undefined> {
  const sql = `SELECT ${grantColumns} FROM ${grantTables} WHERE g.packet_id = $1`;
  const { rows } = await db.query<GrantRow>(sql, [packetId]);
  return rows[0] && grantRecordOf(rows[0]);
}
