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

export interface Stocking {
  readonly poolId: number;
  /** The release target: blocks before it may be out. Absolute, so that stocking twice releases nothing twice. */
  readonly upToBlock: number;
  /** Most blocks of this call. */
  readonly countMax: number;
  readonly issueUntilMs: number;
  readonly stockedAtMs: number;
}

/**
 * planned → out: advances the pool's `next_block` and writes a row for each block that it passes, epoch 1, all indexes, in one
 * transaction. Gives the blocks, in order; none when the target is reached, the pool is used up or its event is neither armed
 * nor live. Only when this has committed may a block be pushed to the stock (invariant 2).
 */
export function stockBlocks(db: Db, stocking: Stocking): Promise<StockedBlockRow[]> {
  return inTransaction(db, async (client) => {
    const advance = await advancePool(client, stocking);
    if (advance === undefined) return [];
    const blocks = newBlocks(stocking, advance);
    await insertBlocks(client, blocks, stocking.stockedAtMs);
    return blocks;
  });
}

interface Advance {
  readonly first: number;
  readonly end: number;
  readonly packetCount: number;
}

async function advancePool(client: PoolClient, stocking: Stocking): Promise<Advance | undefined> {
  // the share lock keeps the event from being closed until this commits
  const { rows } = await client.query<{ first: number; end: number; packet_count: number }>(
    `WITH event AS (
       SELECT e.id FROM events e JOIN pools p ON p.event_id = e.id
       WHERE p.id = $1 AND e.state IN ('armed', 'live') FOR SHARE OF e
     )
     UPDATE pools p SET next_block = least(p.block_count, $2, p.next_block + $3)
     FROM event
     WHERE p.id = $1 AND p.event_id = event.id AND p.next_block < least(p.block_count, $2, p.next_block + $3)
     RETURNING old.next_block AS first, new.next_block AS end, p.packet_count`,
    [stocking.poolId, stocking.upToBlock, stocking.countMax],
  );
  const row = rows[0];
  return row && { first: row.first, end: row.end, packetCount: row.packet_count };
}

function newBlocks({ poolId, issueUntilMs }: Stocking, { first, end, packetCount }: Advance): StockedBlockRow[] {
  return Array.from({ length: end - first }, (_, i) => {
    const blockNo = first + i;
    return { poolId, blockNo, epoch: 1, issueUntilMs, mask: fullMask(packetsInBlock({ packetCount }, blockNo)) };
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
