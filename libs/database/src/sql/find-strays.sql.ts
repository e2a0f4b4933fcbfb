import type { Db } from '../pool.ts';
import type { Violation } from '../violation.ts';

/** Jumps from pool to pool through an index of packet ids: one look-up for each pool that has any row. */
function poolsOf(name: string, table: string, id: string, where: string): string {
  return `${name} AS (
    (SELECT ${id} >> 39 AS pool_id FROM ${table} WHERE ${where} ORDER BY ${id} LIMIT 1)
    UNION ALL
    SELECT (SELECT ${id} >> 39 FROM ${table} WHERE ${where} AND ${id} >= (n.pool_id + 1) << 39 ORDER BY ${id} LIMIT 1)
    FROM ${name} n WHERE n.pool_id < 16777215
  )`;
}

const sql = `
  WITH RECURSIVE ${poolsOf('granted', 'grants', 'packet_id', 'true')},
    ${poolsOf('grabbed', 'grabs', 'packet_id', 'true')},
    ${poolsOf('booked_grants', 'transfers', 'ref', "kind = 'grant'")},
    ${poolsOf('booked_grabs', 'transfers', 'ref', "kind = 'grab'")}
  SELECT v.what, v.pool_id FROM (
    SELECT 'grants' AS what, pool_id FROM granted
    UNION ALL SELECT 'grabs', pool_id FROM grabbed
    UNION ALL SELECT 'transfers of grants', pool_id FROM booked_grants
    UNION ALL SELECT 'transfers of grabs', pool_id FROM booked_grabs
    UNION ALL SELECT 'transfers of funds or refunds', ref FROM transfers WHERE kind IN ('fund', 'refund')
  ) v
  WHERE v.pool_id IS NOT NULL AND (SELECT true FROM pools p WHERE p.id = v.pool_id) IS NULL
  ORDER BY v.pool_id, v.what LIMIT $1`;

/** Proves of the whole ledger that nothing was booked for a pool that does not exist: what no audit of an event would look at. */
export async function findStrays(db: Db, limit: number): Promise<Violation[]> {
  const { rows } = await db.query<{ what: string; pool_id: bigint }>(sql, [limit]);
  return rows.map(({ what, pool_id }) => ({
    rule: 'stray',
    subject: `pool ${pool_id}`,
    detail: `does not exist and has ${what}`,
  }));
}
