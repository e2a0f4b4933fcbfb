/*
 * The life of a block. A planned block has no row: it lies at or after `pools.next_block`.
 *
 *   planned ──stock──▶ out ──time, lane quiet──▶ reclaimed ──restock: epoch + 1──▶ out
 *      │                │ └──all granted──▶ closed   │ └──nothing left, or settle──▶ closed
 *      │                ├──settle──▶ closed          │
 *      │                └──its Redis store was replaced, or restore──┐
 *      │                                             └──restore──────┤
 *      └──restore: may have been stocked since the backup────────────┴──▶ retired ──settle──▶ closed
 *
 * out:       its indexes may be issued until `issueUntilMs` by the one gateway that popped it (invariant 2).
 * reclaimed: no ticket of its epoch can be valid and no accepted open of one is outstanding (invariant 3).
 * retired:   never issued again in this event (invariant 10); tickets of its last epoch are still granted.
 * closed:    grants nothing; what was not granted is refunded.
 *
 * `out → closed` is for a reclaim that finds every packet granted, and for settle, which holds the stronger condition that reclaim asks for:
 * the tickets of the whole event are past and every outstanding index is clear. Restore retires what a database from the past calls
 * reclaimed or not yet stocked as well: both may have been issued since, in epochs that it does not know.
 */

export type BlockState = 'out' | 'reclaimed' | 'retired' | 'closed';

export const blockStates: readonly BlockState[] = ['out', 'reclaimed', 'retired', 'closed'];

/** Where a block without a row stands. */
export type BlockStage = 'planned' | BlockState;

const nextStates: Readonly<Record<BlockStage, readonly BlockState[]>> = {
  planned: ['out', 'retired'],
  out: ['reclaimed', 'retired', 'closed'],
  reclaimed: ['out', 'retired', 'closed'],
  retired: ['closed'],
  closed: [],
};

/**
 * True when a block may go from one state straight to the other. Staying in a state is no transition; the epoch goes up by one with each that
 * ends in `out`, and with no other.
 */
export function canBlockGo(from: BlockStage, to: BlockState): boolean {
  return nextStates[from].includes(to);
}

/** Largest epoch: it has 16 bits in a ticket and is a smallint in PostgreSQL. */
export const epochMax = 2 ** 15 - 1;

/** The last instant at which an open of this epoch can be accepted: issued at `issueUntilMs`, opened as it expires. */
export function lastAcceptanceMs(issueUntilMs: number, ticketTtlMs: number): number {
  return issueUntilMs + ticketTtlMs;
}

/**
 * The first instant at which the block may be reclaimed. `graceMs` covers what the clocks of two processes may differ and
 * the way from an acceptance into the outstanding index.
 */
export function reclaimableAtMs(issueUntilMs: number, ticketTtlMs: number, graceMs: number): number {
  return lastAcceptanceMs(issueUntilMs, ticketTtlMs) + graceMs;
}

export interface ReclaimQuestion {
  readonly nowMs: number;
  readonly block: {
    readonly state: BlockState;
    readonly issueUntilMs: number;
    readonly ticketTtlMs: number;
    readonly graceMs: number;
  };
  /** Acceptance time of the oldest open outstanding in the block's lane; undefined when the lane is quiet. */
  readonly oldestOutstandingMs: number | undefined;
}

/**
 * True when the block may be reclaimed (invariant 3): it is out, its time and grace are past, and every open outstanding in
 * its lane was accepted after the last instant at which one of this block could have been.
 */
export function canReclaim({ nowMs, block, oldestOutstandingMs }: ReclaimQuestion): boolean {
  if (block.state !== 'out') return false;
  if (nowMs < reclaimableAtMs(block.issueUntilMs, block.ticketTtlMs, block.graceMs)) return false;
  return (
    oldestOutstandingMs === undefined || oldestOutstandingMs > lastAcceptanceMs(block.issueUntilMs, block.ticketTtlMs)
  );
}
