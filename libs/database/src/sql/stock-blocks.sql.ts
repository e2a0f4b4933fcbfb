import { fullMask, packetsInBlock } from '#libs/domain';
import { type Db, inTransaction, type PoolClient } from '../pool.ts';

/** A block as it is given to gateways: `mask` has a bit for each index that this epoch may issue. */
export interface StockedBlockRow {
  readonly poolId: number;
  readonly blockNo: number;
  readonly epoch: number;
  readonly issueUntilMs: number;
  readonly mask: Uint8Array;
}

export interface PoolStocking {
  readonly poolId: number;
  /** The release target: blocks before it may be out. Absolute, so that stocking twice releases nothing twice. */
  readonly upToBlock: number;
  /** Most blocks of the pool in this call. */
  readonly countMax: number;
  readonly issueUntilMs: number;
}

export interface Stocking {
  /** Each pool once, of any events. */
  readonly pools: readonly PoolStocking[];
  readonly stockedAtMs: number;
}

/**
 * planned → out: advances the pools' `next_block` and writes a row for each block that they pass, epoch 1, all indexes, in one
 * transaction for all of them. Gives the blocks, each pool's in order; none of a pool whose target is reached, that is used up, or whose
 * event is neither armed nor live. Only when this has committed may a block be pushed to the stock (invariant 2).
 */
export function stockBlocks(db: Db, { pools, stockedAtMs }: Stocking): Promise<StockedBlockRow[]> {
  return inTransaction(db, async (client) => {
    const advances = await advancePools(client, pools);
    const untilMs = new Map(pools.map(({ poolId, issueUntilMs }) => [poolId, issueUntilMs]));
    const blocks = advances.flatMap((advance) => newBlocks(advance, untilMs.get(advance.poolId)!));
    if (blocks.length > 0) await insertBlocks(client, blocks, stockedAtMs);
    return blocks;
  });
}

interface Advance {
  readonly poolId: number;
  readonly first: number;
  readonly end: number;
  readonly packetCount: number;
  readonly blockSize: number;
}

async function advancePools(client: PoolClient, pools: readonly PoolStocking[]): Promise<Advance[]> {
  // the share lock keeps the events from being closed until this commits; pools are locked in one order
  const { rows } = await client.query<Advance>(
    `WITH event AS MATERIALIZED (
       SELECT e.id FROM events e
       WHERE e.id IN (SELECT p.event_id FROM pools p WHERE p.id = ANY ($1::int[])) AND e.state IN ('armed', 'live')
       ORDER BY e.id FOR SHARE OF e
     ), due AS MATERIALIZED (
       SELECT p.id, least(p.block_count, w.up_to, p.next_block + w.count_max) AS end_block
       FROM unnest($1::int[], $2::int[], $3::int[]) AS w (pool_id, up_to, count_max)
       JOIN pools p ON p.id = w.pool_id JOIN event ON event.id = p.event_id
       ORDER BY p.id FOR UPDATE OF p
     )
     UPDATE pools p SET next_block = due.end_block FROM due WHERE p.id = due.id AND p.next_block < due.end_block
     RETURNING p.id AS "poolId", old.next_block AS first, new.next_block AS end, p.packet_count AS "packetCount",
       p.block_size AS "blockSize"`,
    [pools.map(({ poolId }) => poolId), pools.map(({ upToBlock }) => upToBlock), pools.map(({ countMax }) => countMax)],
  );
  return rows;
}

function newBlocks(advance: Advance, issueUntilMs: number): StockedBlockRow[] {
  const { poolId, first, end } = advance;
  return Array.from({ length: end - first }, (_, i) => {
    const blockNo = first + i;
    return { poolId, blockNo, epoch: 1, issueUntilMs, mask: fullMask(packetsInBlock(advance, blockNo)) };
  });
}

async function insertBlocks(
  client: PoolClient,
  blocks: readonly StockedBlockRow[],
  stockedAtMs: number,
): Promise<void> {
  await client.query(
    `INSERT INTO blocks (pool_id, block_no, epoch, state, mask, issue_until_ms, stocked_at_ms)
     SELECT b.pool_id, b.block_no, 1, 'out', b.mask, b.issue_until_ms, $5
     FROM unnest($1::int[], $2::int[], $3::bytea[], $4::bigint[]) AS b (pool_id, block_no, mask, issue_until_ms)`,
    [
      blocks.map(({ poolId }) => poolId),
      blocks.map(({ blockNo }) => blockNo),
      blocks.map(({ mask }) => Buffer.from(mask)),
      blocks.map(({ issueUntilMs }) => issueUntilMs),
      stockedAtMs,
    ],
  );
}
