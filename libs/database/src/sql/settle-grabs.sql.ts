import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { settleInRounds } from '../rounds.ts';
import { safeNumber } from '../safe-number.ts';
import { settleClaimsMax } from './settle-opens.sql.ts';

/** An accepted grab: what its share token says, who grabs, when it was accepted, and all portions derived for the packet. */
export interface GrabClaim {
  readonly packetId: bigint;
  readonly eventId: number;
  readonly ownerId: string;
  readonly userId: string;
  readonly epoch: number;
  readonly acceptedAtMs: number;
  readonly portionsFen: readonly Fen[];
}

export type GrabDenial = 'empty' | 'no_grant_yet' | 'taken' | 'expired';

/** What became of a claim; `portion` counts from 1. `no_grant_yet` may change, all others are final. */
export type GrabSettlement =
  | { readonly outcome: 'credited'; readonly amountFen: Fen; readonly portion: number; readonly isNew: boolean }
  | { readonly outcome: GrabDenial };

type Row = [outcome: 'credited' | GrabDenial, portion: number | null, amountFen: bigint | null, isNew: boolean];

const text = `SELECT outcome, booked_portion, booked_fen, is_new
  FROM settle_grabs($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

/**
 * Decides and books accepted grabs (prisma/migrations/*_grabs_of_one_share, invariants 7, 8); gives what became of each, in the order of
 * the claims. Repeating and errors as for `settleOpens`.
 */
export async function settleGrabs(db: Db, claims: readonly GrabClaim[]): Promise<GrabSettlement[]> {
  if (claims.length > settleClaimsMax) throw new RangeError(`${claims.length} claims are over ${settleClaimsMax}`);
  return await settleInRounds<GrabClaim, GrabSettlement>(claims, {
    keyOf: (claim) => `${claim.packetId}/${claim.userId}`,
    identityOf: (claim) => `${claim.epoch}/${claim.eventId}/${claim.ownerId}`,
    settle: (round) => settleRound(db, round),
  });
}

async function settleRound(db: Db, claims: readonly GrabClaim[]): Promise<GrabSettlement[]> {
  const portions = layOut(claims);
  const { rows } = await db.query<Row>({
    name: 'settle_grabs',
    text,
    rowMode: 'array',
    values: [
      claims.map((claim) => claim.packetId),
      claims.map((claim) => claim.eventId),
      claims.map((claim) => claim.ownerId),
      claims.map((claim) => claim.userId),
      claims.map((claim) => claim.epoch),
      claims.map((claim) => claim.acceptedAtMs),
      portions.offsets,
      claims.map((claim) => claim.portionsFen.length),
      portions.flat,
    ],
  });
  if (rows.length !== claims.length)
    throw new Error(`settle_grabs gave ${rows.length} rows for ${claims.length} claims`);
  return rows.map(settlementOf);
}

/** All portions one after the other, those of a packet once, and where each claim's begin. */
function layOut(claims: readonly GrabClaim[]): { offsets: number[]; flat: Fen[] } {
  const flat: Fen[] = [];
  const starts = new Map<bigint, number>();
  const offsets = claims.map(({ packetId, portionsFen }) => {
    const known = starts.get(packetId);
    if (known !== undefined) return known;
    const start = flat.length;
    starts.set(packetId, start);
    flat.push(...portionsFen);
    return start;
  });
  return { offsets, flat };
}

function settlementOf([outcome, portion, amountFen, isNew]: Row): GrabSettlement {
  if (outcome !== 'credited') return { outcome };
  return { outcome, amountFen: safeNumber(amountFen!), portion: portion!, isNew };
}
