import type { Fen } from '#libs/domain';
import { setPlanner } from '../planner.ts';
import type { Db } from '../pool.ts';

export interface GrantedPacket {
  readonly packetId: bigint;
  readonly amountFen: Fen;
}

export interface GrabbedPortion {
  readonly packetId: bigint;
  readonly portion: number;
  readonly amountFen: Fen;
}

export interface LedgerStream {
  readonly poolId: number;
  readonly pageSize: number;
}

/** Pages in index order: without statistics the planner would collect and sort all of the rest for each page. */
const byIndex = { enable_bitmapscan: 'off', enable_sort: 'off' } as const;

/** The last packet id that a pool can have. */
const packetsPerPoolId = 1n << 39n;

/**
 * The granted packets of a pool with their amounts as booked, in pages, by packet. From them the caller derives what is
 * unclaimed, and checks each amount (invariants 1, 8).
 */
export async function* streamGrants(db: Db, { poolId, pageSize }: LedgerStream): AsyncGenerator<GrantedPacket[]> {
  const end = BigInt(poolId + 1) * packetsPerPoolId;
  let after = BigInt(poolId) * packetsPerPoolId - 1n;
  await setPlanner(db, byIndex);
  for (;;) {
    const { rows } = await db.query<[packetId: bigint, amountFen: number]>({
      rowMode: 'array',
      text: `SELECT packet_id, amount_fen FROM grants WHERE packet_id > $1 AND packet_id <= $2 ORDER BY packet_id LIMIT $3`,
      values: [after, end - 1n, pageSize],
    });
    if (rows.length > 0) yield rows.map(([packetId, amountFen]) => ({ packetId, amountFen }));
    if (rows.length < pageSize) return;
    after = rows.at(-1)![0];
  }
}

/** The grabbed portions of a pool with their amounts as booked, in pages, by packet and portion. */
export async function* streamGrabs(db: Db, { poolId, pageSize }: LedgerStream): AsyncGenerator<GrabbedPortion[]> {
  const end = BigInt(poolId + 1) * packetsPerPoolId;
  let after: [packetId: bigint, portion: number] = [BigInt(poolId) * packetsPerPoolId, 0];
  await setPlanner(db, byIndex);
  for (;;) {
    const { rows } = await db.query<[packetId: bigint, portion: number, amountFen: number]>({
      rowMode: 'array',
      text: `SELECT packet_id, portion, amount_fen FROM grabs
             WHERE (packet_id, portion) > ($1::bigint, $2::int) AND packet_id <= $3
             ORDER BY packet_id, portion LIMIT $4`,
      values: [...after, end - 1n, pageSize],
    });
    if (rows.length > 0) yield rows.map(([packetId, portion, amountFen]) => ({ packetId, portion, amountFen }));
    if (rows.length < pageSize) return;
    const [packetId, portion] = rows.at(-1)!;
    after = [packetId, portion];
  }
}
