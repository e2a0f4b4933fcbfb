import { type Db, inTransaction, type PoolClient } from '../pool.ts';
import type { ReclaimCandidate } from './list-reclaimable.sql.ts';
import { hasNoDeadLetter, isPastAt, packetsOfBlock } from './packet-range.ts';

export interface Reclaim {
  readonly nowMs: number;
  /** From `listReclaimable`, those whose lane is quiet (`canReclaim`). */
  readonly candidates: readonly Pick<ReclaimCandidate, 'poolId' | 'blockNo' | 'epoch'>[];
}

/**
 * out → reclaimed for the candidates that are still out, in that epoch, past their time and without an open dead letter
 * (invariants 3, 9); those with every packet granted are closed at once. Gives the pools of those that were reclaimed, one entry per
 * block, and how many were closed; candidates that do not meet the guards are passed over.
 */
export function reclaimBlocks(db: Db, reclaim: Reclaim): Promise<{ reclaimed: number[]; closed: number }> {
  return inTransaction(db, async (client) => {
    const locked = await lockDue(client, reclaim);
    const moved = locked.length === 0 ? [] : await move(client, locked);
    const reclaimed = moved.filter(({ state }) => state === 'reclaimed').map(({ pool_id }) => pool_id);
    return { reclaimed, closed: moved.length - reclaimed.length };
  });
}

interface Locked {
  readonly pool_id: number;
  readonly block_no: number;
}

async function lockDue(client: PoolClient, { nowMs, candidates }: Reclaim): Promise<Locked[]> {
  const { rows } = await client.query<Locked>(
    `SELECT b.pool_id, b.block_no
     FROM unnest($1::int[], $2::int[], $3::int[]) AS c (pool_id, block_no, epoch)
     JOIN blocks b ON b.pool_id = c.pool_id AND b.block_no = c.block_no
     JOIN pools p ON p.id = b.pool_id JOIN events e ON e.id = p.event_id
     WHERE b.state = 'out' AND b.epoch = c.epoch AND ${isPastAt('$4')}
       AND ${hasNoDeadLetter}
     ORDER BY b.pool_id, b.block_no
     FOR UPDATE OF b`,
    [
      candidates.map(({ poolId }) => poolId),
      candidates.map(({ blockNo }) => blockNo),
      candidates.map(({ epoch }) => epoch),
      nowMs,
    ],
  );
  return rows;
}

interface Moved {
  readonly pool_id: number;
  readonly state: 'reclaimed' | 'closed';
}

/** A statement of its own: its snapshot is younger than the locks, so it sees every grant that was booked before them. */
async function move(client: PoolClient, locked: readonly Locked[]): Promise<Moved[]> {
  const { rows } = await client.query<Moved>(
    `UPDATE blocks b
     SET state = CASE WHEN g.count = least(p.block_size, p.packet_count - n.block_no * p.block_size)
       THEN 'closed' ELSE 'reclaimed' END
     FROM unnest($1::int[], $2::int[]) AS n (pool_id, block_no)
     JOIN pools p ON p.id = n.pool_id
     CROSS JOIN LATERAL (
       SELECT count(*) FROM grants WHERE ${packetsOfBlock('packet_id', 'n.pool_id', 'n.block_no')}
     ) g
     WHERE b.pool_id = n.pool_id AND b.block_no = n.block_no AND b.state = 'out'
     RETURNING b.pool_id, b.state`,
    [locked.map(({ pool_id }) => pool_id), locked.map(({ block_no }) => block_no)],
  );
  if (rows.length !== locked.length) throw new Error(`${rows.length} of ${locked.length} locked blocks were reclaimed`);
  return rows;
}
