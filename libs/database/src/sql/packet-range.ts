/**
 * SQL: the packets of a block are one range of ids (pool 24 bits | block 31 | index 8). The parentheses are needed: in PostgreSQL
 * shifts and bit operators bind alike, from the left.
 */
export function packetsOfBlock(column: string, poolId: string, blockNo: string): string {
  const first = `((${poolId}::bigint << 39) | (${blockNo}::bigint << 8))`;
  return `${column} BETWEEN ${first} AND ${first} + 255`;
}

/** SQL: the packets of a pool are one range of ids. */
export function packetsOfPool(column: string, poolId: string): string {
  const first = `(${poolId}::bigint << 39)`;
  return `${column} BETWEEN ${first} AND ${first} + 549755813887`;
}

/** SQL: a block that keeps an open dead letter is not reclaimed (invariant 9). `b` is the block. */
export const hasNoDeadLetter = `NOT EXISTS (
  SELECT FROM dead_letters d
  WHERE d.replayed_at IS NULL AND d.kind = 'open' AND ${packetsOfBlock('d.packet_id', 'b.pool_id', 'b.block_no')}
)`;

/** SQL: a block whose tickets, and grace, are past at the time `nowMs`. `b` is the block, `e` its event. */
export function isPastAt(nowMs: string): string {
  return `b.issue_until_ms <= ${nowMs}::bigint - e.ticket_ttl_ms - e.grace_ms`;
}
