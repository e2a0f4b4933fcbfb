import type { Winner } from './shakers.ts';

/** After a loss of the store; milliseconds from it. */
export interface Recovery {
  /** The first winner from a block that was stocked after the loss: winners flow again, and go on. */
  readonly firstWinnerMs: number;
  /** The first of those to be credited. */
  readonly firstCreditedMs: number;
  /** The first who was credited at all, with whatever ticket. */
  readonly anyCreditedMs: number;
  /** The longest time without a winner, from blocks in hand or from fresh ones, until winners flowed again. */
  readonly longestPauseMs: number;
  /** Winners from fresh blocks who have been credited so far. */
  readonly creditedFresh: number;
}

export interface RecoveryQuestion {
  readonly winners: readonly Winner[];
  readonly lostAtMs: number;
  /** Was this block (`pool/block`) stocked after the loss? */
  readonly isFresh: (block: string) => boolean;
}

/** Undefined until a winner from a fresh block was credited. */
export function recoveryOf({ winners, lostAtMs, isFresh }: RecoveryQuestion): Recovery | undefined {
  const fresh = winners.filter(({ poolId, blockNo, wonAtMs }) => wonAtMs > lostAtMs && isFresh(`${poolId}/${blockNo}`));
  const creditedAt = (list: readonly Winner[]): number[] =>
    list.flatMap(({ creditedAtMs }) => (creditedAtMs !== undefined && creditedAtMs > lostAtMs ? [creditedAtMs] : []));
  const credited = creditedAt(fresh);
  if (credited.length === 0) return undefined;
  const flowsAtMs = Math.min(...fresh.map(({ wonAtMs }) => wonAtMs));
  const until = winners
    .map(({ wonAtMs }) => wonAtMs)
    .filter((atMs) => atMs > lostAtMs && atMs <= flowsAtMs)
    .sort((a, b) => a - b);
  const pauses = until.map((atMs, at) => atMs - (until[at - 1] ?? lostAtMs));
  return {
    firstWinnerMs: flowsAtMs - lostAtMs,
    firstCreditedMs: Math.min(...credited) - lostAtMs,
    anyCreditedMs: Math.min(...creditedAt(winners)) - lostAtMs,
    longestPauseMs: Math.max(...pauses),
    creditedFresh: credited.length,
  };
}
