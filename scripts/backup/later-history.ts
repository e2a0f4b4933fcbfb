import { type Db, insertAuditEntry, inTransaction, type PoolClient } from '#libs/database';
import { fullMask, packetsInBlock, type ReleaseCurve, releasedPackets } from '#libs/domain';

/*
 * A restored database stands in the past: what was done after the backup, its later history, is gone from it, but not from the world.
 * Tickets, receipts and share tokens of that time are signed with the keys that are restored too. This keeps the two histories apart:
 *
 *   - What was stocked when the backup was taken is retired (invariant 10): it may have been issued since, in this epoch or a later one.
 *   - Blocks that may have been stocked since are entered as retired in their first epoch: they are never issued again (invariants 2
 *     and 3), so no packet has two winners, and an accepted open that its client still holds a receipt for is honoured.
 *   - Ids of events and pools go on far behind: what was made since is not mistaken for what is made from now on.
 */

export interface LaterHistory {
  /** The later history ended before it. */
  readonly nowMs: number;
  /** How far ahead of the release curve blocks were stocked. */
  readonly stockLeadMs: number;
  /** When the backup was taken, as the manifest says. */
  readonly consistentAt: string;
}

export interface KeptApart {
  /** Blocks that were stocked and are not issued again. */
  readonly retired: number;
  /** Blocks that may have been stocked since, and are not issued. */
  readonly skipped: number;
}

/** Far more of each than a later history makes. Of pool ids there are 2^24: this leaves room for 250 restores. */
const idsLeftOut = { events: 10_000, pools: 65_536 } as const;

/** Keeps the restored database and its later history apart, in one transaction; nothing when it has no tables yet. */
export async function keepApart(db: Db, history: LaterHistory): Promise<KeptApart> {
  return await inTransaction(db, async (client) => {
    const { rows } = await client.query<{ has_tables: boolean }>(
      "SELECT to_regclass('pools') IS NOT NULL AND to_regclass('blocks') IS NOT NULL AS has_tables",
    );
    if (!rows[0]!.has_tables) return { retired: 0, skipped: 0 };
    const retired = await retireStocked(client);
    const skipped = await skipDue(client, history);
    for (const [table, count] of Object.entries(idsLeftOut)) await leaveOutIds(client, table, count);
    await insertAuditEntry(client, {
      actor: 'restore',
      action: 'database.restored',
      target: 'database',
      reason: 'restored from a backup: what was committed after it is not here',
      detail: { consistentAt: history.consistentAt, retiredBlocks: retired, skippedBlocks: skipped },
    });
    return { retired, skipped };
  });
}

async function retireStocked(client: PoolClient): Promise<number> {
  const { rowCount } = await client.query("UPDATE blocks SET state = 'retired' WHERE state IN ('out', 'reclaimed')");
  return rowCount ?? 0;
}

interface PoolRow {
  readonly id: number;
  readonly packet_count: number;
  readonly block_size: number;
  readonly block_count: number;
  readonly next_block: number;
  readonly release_curve: ReleaseCurve;
  readonly starts_at: Date;
  readonly duration_ms: bigint;
}

/** Drafts too: one may have been armed and played since. */
async function skipDue(client: PoolClient, history: LaterHistory): Promise<number> {
  const { rows: pools } = await client.query<PoolRow>(
    `SELECT p.id, p.packet_count, p.block_size, p.block_count, p.next_block, p.release_curve, w.starts_at, w.duration_ms
     FROM events e
     JOIN pools p ON p.event_id = e.id
     JOIN waves w ON w.event_id = p.event_id AND w.no = p.wave_no
     WHERE e.state IN ('draft', 'armed', 'live') AND p.next_block < p.block_count AND w.starts_at <= $1
     ORDER BY p.id`,
    [new Date(history.nowMs + history.stockLeadMs)],
  );
  let skipped = 0;
  for (const pool of pools) skipped += await skipBlocks(client, pool, blocksDue(pool, history), history.nowMs);
  return skipped;
}

/** How many blocks of the pool may have been stocked by now: as many as its release curve asked for. */
function blocksDue(pool: PoolRow, { nowMs, stockLeadMs }: LaterHistory): number {
  const elapsedMs = nowMs + stockLeadMs - pool.starts_at.getTime();
  const released = releasedPackets(pool.release_curve, elapsedMs, Number(pool.duration_ms), pool.packet_count);
  return Math.min(Math.ceil(released / pool.block_size), pool.block_count);
}

async function skipBlocks(client: PoolClient, pool: PoolRow, due: number, nowMs: number): Promise<number> {
  const { id, next_block: first, block_count: count } = pool;
  if (due <= first) return 0;
  const shape = { packetCount: pool.packet_count, blockSize: pool.block_size };
  const last = fullMask(packetsInBlock(shape, count - 1));
  await client.query(
    `INSERT INTO blocks (pool_id, block_no, epoch, state, mask, issue_until_ms, stocked_at_ms)
     SELECT $1, n, 1, 'retired', CASE WHEN n = $4 THEN $6::bytea ELSE $5::bytea END, $7, $7
     FROM generate_series($2::int, $3::int) AS n`,
    [id, first, due - 1, count - 1, Buffer.from(fullMask(pool.block_size)), Buffer.from(last), nowMs],
  );
  await client.query('UPDATE pools SET next_block = $2 WHERE id = $1', [id, due]);
  return due - first;
}

/** The name of a table is one of the above. */
async function leaveOutIds(client: PoolClient, table: string, count: number): Promise<void> {
  await client.query(
    `SELECT setval(s.name, nextval(s.name) + $2) FROM (SELECT pg_get_serial_sequence($1, 'id')::regclass AS name) s`,
    [table, count],
  );
}
