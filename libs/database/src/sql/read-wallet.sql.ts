import type { Fen } from '#libs/domain';
import type { Db } from '../pool.ts';
import { msOf, safeNumber } from '../safe-number.ts';

/** A user's balance and the time of the database at which it was read; 0 for a user without a wallet. */
export async function readWallet(db: Db, userId: string): Promise<{ balanceFen: Fen; asOfMs: number }> {
  const { rows } = await db.query<{ balance_fen: bigint | null; as_of: Date }>(
    `SELECT (SELECT balance_fen FROM accounts WHERE kind = 'wallet' AND name = $1) AS balance_fen, now() AS as_of`,
    [userId],
  );
  const { balance_fen, as_of } = rows[0]!;
  return { balanceFen: safeNumber(balance_fen ?? 0n), asOfMs: msOf(as_of) };
}
