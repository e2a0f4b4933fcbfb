import { epochMax, isEmpty, maskFromGranted, packetsInBlock } from '#libs/domain';
import { type Db, inTransaction, type PoolClient } from '../pool.ts';
import { readGrantedIndexes } from './granted-indexes.sql.ts';
import type { PoolStocking, StockedBlockRow } from './stock-blocks.sql.ts';

export interface Restocking {
  /** Each pool once, of any events. */
  readonly pools: readonly Omit<PoolStocking, 'upToBlock'>[];
  readonly stockedAtMs: number;
}

export interface Restocked {
  readonly stocked: StockedBlockRow[];
  /** Blocks of which nothing was left, by pool. */
  readonly closed: ReadonlyMap<number, number>;
}

/**
 * reclaimed → out in the next epoch, for up to `countMax` blocks of each pool, lowest first, in one transaction for all of them: the
 * mask is what was never granted, counted while the blocks are locked against grants (invariant 3). A block with nothing left is closed
 * instead; one that had its last epoch stays reclaimed until settle. Nothing happens to a pool unless its event is live; whether the
 * plan wants a reissue now is the caller's question.
 */
export function restockBlocks(db: Db, restocking: Restocking): Promise<Restocked> {
  return inTransaction(db, async (client) => {
    const locked = await lockReclaimed(client, restocking);
    const blocks = locked.length === 0 ? [] : await nextEpochs(client, restocking, locked);
    const stocked = blocks.filter(({ mask }) => !isEmpty(mask));
    const closed = blocks.filter(({ mask }) => isEmpty(mask));
    await putOut(client, stocked, restocking.stockedAtMs);
    await close(client, closed);
    return { stocked, closed: countByPool(closed) };
  });
}

function countByPool(blocks: readonly StockedBlockRow[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { poolId } of blocks) counts.set(poolId, (counts.get(poolId) ?? 0) + 1);
  return counts;
}

interface Locked {
  readonly poolId: number;
  readonly blockNo: number;
  readonly epoch: number;
  readonly packetCount: number;
  readonly blockSize: number;
}

async function lockReclaimed(client: PoolClient, { pools }: Restocking): Promise<Locked[]> {
  // blocks are locked pool by pool, each in order: the lateral query cannot be run in another way
  const { rows } = await client.query<Locked>(
    `WITH live AS MATERIALIZED (
       SELECT p.id, p.packet_count, p.block_size, w.count_max
       FROM unnest($1::int[], $2::int[]) AS w (pool_id, count_max)
       JOIN pools p ON p.id = w.pool_id JOIN events e ON e.id = p.event_id
       WHERE e.state = 'live' ORDER BY p.id FOR SHARE OF e
     )
     SELECT live.id AS "poolId", b.block_no AS "blockNo", b.epoch, live.packet_count AS "packetCount",
       live.block_size AS "blockSize"
     FROM live CROSS JOIN LATERAL (
       SELECT block_no, epoch FROM blocks
       WHERE pool_id = live.id AND state = 'reclaimed' AND epoch < $3
       ORDER BY block_no LIMIT live.count_max FOR UPDATE
     ) b`,
    [pools.map(({ poolId }) => poolId), pools.map(({ countMax }) => countMax), epochMax],
  );
  return rows;
}

async function nextEpochs(
  client: PoolClient,
  { pools }: Restocking,
  locked: readonly Locked[],
): Promise<StockedBlockRow[]> {
  const untilMs = new Map(pools.map(({ poolId, issueUntilMs }) => [poolId, issueUntilMs]));
  const granted = await readGrantedIndexes(client, locked);
  return locked.map((block, i) => {
    const { poolId, blockNo, epoch } = block;
    const mask = maskFromGranted(packetsInBlock(block, blockNo), granted[i]!);
    return { poolId, blockNo, epoch: epoch + 1, issueUntilMs: untilMs.get(poolId)!, mask };
  });
}

async function putOut(client: PoolClient, blocks: readonly StockedBlockRow[], stockedAtMs: number): Promise<void> {
  if (blocks.length === 0) return;
  const { rowCount } = await client.query(
    `UPDATE blocks b SET state = 'out', epoch = n.epoch, mask = n.mask, issue_until_ms = n.issue_until_ms, stocked_at_ms = $6
     FROM unnest($1::int[], $2::int[], $3::int[], $4::bytea[], $5::bigint[]) AS n (pool_id, block_no, epoch, mask, issue_until_ms)
     WHERE b.pool_id = n.pool_id AND b.block_no = n.block_no AND b.state = 'reclaimed' AND b.epoch = n.epoch - 1`,
    [
      blocks.map(({ poolId }) => poolId),
      blocks.map(({ blockNo }) => blockNo),
      blocks.map(({ epoch }) => epoch),
      blocks.map(({ mask }) => Buffer.from(mask)),
      blocks.map(({ issueUntilMs }) => issueUntilMs),
      stockedAtMs,
    ],
  );
  if (rowCount !== blocks.length) throw new Error(`${rowCount} of ${blocks.length} locked blocks were restocked`);
}

async function close(client: PoolClient, blocks: readonly StockedBlockRow[]): Promise<void> {
  if (blocks.length === 0) return;
  const { rowCount } = await client.query(
    `UPDATE blocks b SET state = 'closed' FROM unnest($1::int[], $2::int[]) AS n (pool_id, block_no)
     WHERE b.pool_id = n.pool_id AND b.block_no = n.block_no AND b.state = 'reclaimed'`,
    [blocks.map(({ poolId }) => poolId), blocks.map(({ blockNo }) => blockNo)],
  );
  if (rowCount !== blocks.length) throw new Error(`${rowCount} of ${blocks.length} locked blocks were closed`);
}
