import type { Pool } from '#libs/database';

/** Everything that a call could have booked, counted and summed over the whole database. */
export interface LedgerFigures {
  readonly grants: string;
  readonly grabs: string;
  /** By kind: `fund`, `grant`, `grab`, `refund`. */
  readonly transfers: Readonly<Record<string, string>>;
  /** Users that have a wallet, and what is in all of them. */
  readonly wallets: string;
  readonly deadLetters: string;
}

const figures = 'count(*) AS n, coalesce(sum(amount_fen), 0) AS fen';

/** The ledger as it stands: two of them are equal when nothing was booked between. */
export async function ledgerFigures(pool: Pool): Promise<LedgerFigures> {
  const { rows } = await pool.query<{ what: string; n: bigint; fen: bigint }>(
    `SELECT 'grants' AS what, ${figures} FROM grants
     UNION ALL SELECT 'grabs', ${figures} FROM grabs
     UNION ALL SELECT 'wallets', count(*), coalesce(sum(balance_fen), 0) FROM accounts WHERE kind = 'wallet'
     UNION ALL SELECT 'dead letters', count(*), 0 FROM dead_letters
     UNION ALL SELECT 'transfer ' || kind, ${figures} FROM transfers GROUP BY kind`,
  );
  const texts = new Map(rows.map(({ what, n, fen }) => [what, `${n}: ${fen} fen`]));
  const none = '0: 0 fen';
  return {
    grants: texts.get('grants') ?? none,
    grabs: texts.get('grabs') ?? none,
    transfers: Object.fromEntries([...texts].filter(([what]) => what.startsWith('transfer '))),
    wallets: texts.get('wallets') ?? none,
    deadLetters: texts.get('dead letters') ?? none,
  };
}

/** What was added between two figures of a ledger: how many, and how many fen. */
export function addedTo(before: string, after: string): number[] {
  const numbers = (text: string) => [...text.matchAll(/\d+/g)].map(Number);
  const first = numbers(before);
  return numbers(after).map((value, i) => value - first[i]!);
}
