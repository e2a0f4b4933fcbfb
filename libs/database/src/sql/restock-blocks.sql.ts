import { epochMax, isEmpty, maskFromGranted, packetsInBlock } from '#libs/domain';
import { type Db, inTransaction, type PoolClient } from '../pool.ts';
import { readGrantedIndexes } from './granted-indexes.sql.ts';
import type { StockedBlockRow, Stocking } from './stock-blocks.sql.ts';

export type Restocking = Omit<Stocking, 'upToBlock'>;

/**
 * reclaimed → out in the next epoch, for up to `countMax` blocks of a pool, lowest first: the mask is what was never granted,
 * counted while the blocks are locked against grants (invariant 3). A block with nothing left is closed instead; one that had its
 * last epoch stays reclaimed until settle. Nothing happens unless the event is live; whether the plan wants a reissue now is the
 * caller's question.
 */
export function restockBlocks(db: Db, restocking: Restocking): Promise<{ stocked: StockedBlockRow[]; closed: number }> {
  return inTransaction(db, async (client) => {
    const locked = await lockReclaimed(client, restocking);
    if (locked.length === 0) return { stocked: [], closed: 0 };
    const blocks = await nextEpochs(client, restocking, locked);
    const stocked = blocks.filter(({ mask }) => !isEmpty(mask));
    await putOut(client, stocked, restocking);
    await close(
      client,
      blocks.filter(({ mask }) => isEmpty(mask)),
    );
    return { stocked, closed: blocks.length - stocked.length };
  });
}

interface Locked {
  readonly block_no: number;
  readonly epoch: number;
  readonly packet_count: number;
}

async function lockReclaimed(client: PoolClient, { poolId, countMax }: Restocking): Promise<Locked[]> {
  const { rows } = await client.query<Locked>(
    `SELECT b.block_no, b.epoch, p.packet_count
     FROM blocks b JOIN pools p ON p.id = b.pool_id JOIN events e ON e.id = p.event_id
     WHERE b.pool_id = $1 AND b.state = 'reclaimed' AND b.epoch < $3 AND e.state = 'live'
     ORDER BY b.block_no LIMIT $2
     FOR UPDATE OF b FOR SHARE OF e`,
    [poolId, countMax, epochMax],
  );
  return rows;
}

async function nextEpochs(
  client: PoolClient,
  { poolId, issueUntilMs }: Restocking,
  locked: readonly Locked[],
): Promise<StockedBlockRow[]> {
  const granted = await readGrantedIndexes(
    client,
    locked.map(({ block_no: blockNo }) => ({ poolId, blockNo })),
  );
  return locked.map(({ block_no: blockNo, epoch, packet_count: packetCount }, i) => {
    const mask = maskFromGranted(packetsInBlock({ packetCount }, blockNo), granted[i]!);
    return { poolId, blockNo, epoch: epoch + 1, issueUntilMs, mask };
  });
}

async function putOut(client: PoolClient, blocks: readonly StockedBlockRow[], restocking: Restocking): Promise<void> {
  if (blocks.length === 0) return;
  const { rowCount } = await client.query(
    `UPDATE blocks b SET state = 'out', epoch = n.epoch, mask = n.mask, issue_until_ms = $5, stocked_at_ms = $6
     FROM unnest($2::int[], $3::int[], $4::bytea[]) AS n (block_no, epoch, mask)
     WHERE b.pool_id = $1 AND b.block_no = n.block_no AND b.state = 'reclaimed' AND b.epoch = n.epoch - 1`,
    [
      restocking.poolId,
      blocks.map(({ blockNo }) => blockNo),
      blocks.map(({ epoch }) => epoch),
      blocks.map(({ mask }) => Buffer.from(mask)),
      restocking.issueUntilMs,
      restocking.stockedAtMs,
    ],
  );
  if (rowCount !== blocks.length) throw new Error(`${rowCount} of ${blocks.length} locked blocks were restocked`);
}

async function close(client: PoolClient, blocks: readonly StockedBlockRow[]): Promise<void> {
  if (blocks.length === 0) return;
  const { rowCount } = await client.query(
    `UPDATE blocks b SET state = 'closed' FROM unnest($2::int[]) AS n (block_no)
     WHERE b.pool_id = $1 AND b.block_no = n.block_no AND b.state = 'reclaimed'`,
    [blocks[0]!.poolId, blocks.map(({ blockNo }) => blockNo)],
  );
  if (rowCount !== blocks.length) throw new Error(`${rowCount} of ${blocks.length} locked blocks were closed`);
}
