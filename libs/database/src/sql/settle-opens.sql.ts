import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { settleInRounds } from '../rounds.ts';
import { safeNumber } from '../safe-number.ts';

/** An accepted open: what its ticket says, when it was accepted (store clock), and the amount derived for its packet. */
export interface OpenClaim {
  readonly packetId: bigint;
  readonly eventId: number;
  readonly sponsorNo: number;
  readonly userId: string;
  readonly epoch: number;
  readonly acceptedAtMs: number;
  readonly amountFen: Fen;
}

/** A denial that is kept (invariant 7). */
export type KeptDenial = 'limit' | 'sponsor_limit' | 'taken';

/** `expired` is not kept: it rests on facts that never turn back. */
export type OpenDenial = KeptDenial | 'expired';

/** What became of a claim. `isNew`: booked by this very claim; false when it had been before (invariant 7). */
export type OpenSettlement =
  | { readonly outcome: 'credited'; readonly amountFen: Fen; readonly ordinal: number; readonly isNew: boolean }
  | { readonly outcome: OpenDenial };

/** Most claims of one call: a few merged jobs, far below what a statement may carry. */
export const settleClaimsMax = 4_096;

type Row = [outcome: 'credited' | OpenDenial, ordinal: number | null, amountFen: bigint | null, isNew: boolean];

const text = 'SELECT outcome, booked_ordinal, booked_fen, is_new FROM settle_opens($1, $2, $3, $4, $5, $6, $7)';

/**
 * Decides and books accepted opens (prisma/migrations/*_denials, invariants 1, 3, 4, 5, 7, 8); gives what became of each, in
 * the order of the claims. All outcomes are final: a ticket, that is (packet, epoch, user), has one. It may be called with the same claims any number of times and from any
 * number of connections at once. Rejects with an error for `isRetryable` (repeat the batch) or `isDataError` (bisect it); nothing
 * of the round that failed is booked then.
 */
export async function settleOpens(db: Db, claims: readonly OpenClaim[]): Promise<OpenSettlement[]> {
  if (claims.length > settleClaimsMax) throw new RangeError(`${claims.length} claims are over ${settleClaimsMax}`);
  return await settleInRounds<OpenClaim, OpenSettlement>(claims, {
    keyOf: (claim) => claim.packetId,
    identityOf: (claim) => `${claim.epoch}/${claim.eventId}/${claim.sponsorNo}/${claim.userId}`,
    settle: (round) => settleRound(db, round),
  });
}

async function settleRound(db: Db, claims: readonly OpenClaim[]): Promise<OpenSettlement[]> {
  const { rows } = await db.query<Row>({
    name: 'settle_opens',
    text,
    rowMode: 'array',
    values: [
      claims.map((claim) => claim.packetId),
      claims.map((claim) => claim.eventId),
      claims.map((claim) => claim.sponsorNo),
      claims.map((claim) => claim.userId),
      claims.map((claim) => claim.epoch),
      claims.map((claim) => claim.acceptedAtMs),
      claims.map((claim) => claim.amountFen),
    ],
  });
  if (rows.length !== claims.length)
    throw new Error(`settle_opens gave ${rows.length} rows for ${claims.length} claims`);
  return rows.map(settlementOf);
}

function settlementOf([outcome, ordinal, amountFen, isNew]: Row): OpenSettlement {
  if (outcome !== 'credited') return { outcome };
  return { outcome, amountFen: safeNumber(amountFen!), ordinal: ordinal!, isNew };
}
