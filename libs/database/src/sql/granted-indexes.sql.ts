import type { PoolClient } from '../pool.ts';
import { packetsOfBlock } from './packet-range.ts';

/**
 * The granted indexes of each block, in the order of the blocks. Call it in the transaction that has locked their rows FOR UPDATE, in
 * a statement of its own: its snapshot then has every grant that will ever be booked in their present epoch.
 */
export async function readGrantedIndexes(
  client: PoolClient,
  blocks: readonly { readonly poolId: number; readonly blockNo: number }[],
): Promise<number[][]> {
  const { rows } = await client.query<{ indexes: number[] }>(
    `SELECT g.indexes
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w (pool_id, block_no, ord)
     CROSS JOIN LATERAL (
       SELECT coalesce(array_agg((packet_id & 255)::int), '{}') AS indexes FROM grants
       WHERE ${packetsOfBlock('packet_id', 'w.pool_id', 'w.block_no')}
     ) g
     ORDER BY w.ord`,
    [blocks.map(({ poolId }) => poolId), blocks.map(({ blockNo }) => blockNo)],
  );
  return rows.map(({ indexes }) => indexes);
}
