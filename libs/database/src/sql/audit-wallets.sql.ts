import type { Db } from '../pool.ts';
import type { Violation } from '../violation.ts';

/** Which wallets: all ids `[from, to)`, or those named. */
export type WalletSet = { readonly from: bigint; readonly to: bigint } | { readonly ids: readonly bigint[] };

export interface WalletsAudit {
  /** The event whose limits are checked; undefined: no limits. */
  readonly eventId: number | undefined;
  readonly wallets: WalletSet;
}

export interface WalletsPage {
  readonly violations: readonly Violation[];
}

interface BadRow {
  readonly id: string;
  readonly kind: string | null;
  readonly balance: number | null;
  readonly fen: number | null;
  readonly right: boolean;
  readonly packets: number;
  readonly sponsored: number;
  readonly sponsors: number;
  readonly max: number | null;
}

interface Row {
  readonly bad: BadRow[] | null;
}

/**
 * A booking's amount as its transfer says. Of the audited event that is the grant's or grab's own, which is proven to be the same in the
 * pages of its pools. The look-up is scalar, so that the planner cannot make a join of it that reads all transfers; an int, which sums
 * are twice as fast of: what is more was booked wrong, and does not add up either.
 */
const amountOf = (row: string, kind: string, portion: string) => `
  CASE WHEN ${row}.event_id = $1::int THEN ${row}.amount_fen ELSE (
    SELECT least(t.amount_fen, 2147483647)::int FROM transfers t
    WHERE t.kind = '${kind}' AND t.ref = ${row}.packet_id AND t.portion = ${portion} AND t.credit_account = ${row}.account_id
  ) END`;

function sqlOf(isIn: (column: string) => string): string {
  return `
  SELECT json_agg(json_build_object('id', v.id::text, 'kind', v.kind, 'balance', v.balance_fen, 'fen', v.fen, 'right', v.is_right,
        'packets', v.packets, 'sponsored', v.sponsored, 'sponsors', v.sponsors, 'max', v.per_user_max))
      FILTER (WHERE NOT (v.is_right AND v.packets <= coalesce(v.per_user_max, v.packets) AND v.sponsors = v.sponsored)) AS bad
  FROM (
    SELECT coalesce(a.id, s.account_id) AS id, a.kind, a.balance_fen, s.fen,
      coalesce(s.packets, 0) AS packets, coalesce(s.sponsored, 0) AS sponsored, coalesce(s.sponsors, 0) AS sponsors,
      (SELECT e.per_user_max FROM events e WHERE e.id = $1::int) AS per_user_max,
      CASE WHEN s.account_id IS NULL THEN a.kind <> 'wallet' OR a.balance_fen = 0
        ELSE a.kind = 'wallet' AND a.balance_fen = s.fen AND s.bookings = s.booked END IS TRUE AS is_right
    FROM (SELECT id, kind, balance_fen FROM accounts WHERE ${isIn('id')}) a
    FULL JOIN (
      SELECT b.account_id, sum(b.fen) AS fen, count(*) AS bookings, count(b.fen) AS booked, count(b.packet_id) AS packets,
        count(b.sponsor_no) AS sponsored, count(DISTINCT b.sponsor_no) AS sponsors
      FROM (
        SELECT g.account_id, p.sponsor_no, CASE WHEN g.event_id = $1::int THEN g.packet_id END AS packet_id,
          ${amountOf('g', 'grant', '0')} AS fen
        FROM (SELECT * FROM grants WHERE ${isIn('account_id')}) g
        LEFT JOIN (SELECT id, sponsor_no FROM pools WHERE event_id = $1::int) p ON p.id = (g.packet_id >> 39)::int
        UNION ALL
        SELECT x.account_id, NULL, NULL, ${amountOf('x', 'grab', 'x.portion')} FROM grabs x WHERE ${isIn('x.account_id')}
      ) b GROUP BY b.account_id
    ) s ON s.account_id = a.id
  ) v`;
}

const rangeSql = sqlOf((column) => `${column} >= $2 AND ${column} < $3`);
const namedSql = sqlOf((column) => `${column} = ANY ($2::bigint[])`);

/**
 * Wallets, in one statement. Proves of each that its balance is the sum of the transfers of all its grants and grabs, of whatever
 * event (invariant 8), that all who were credited are wallets that exist; and of the event given that nobody has more packets than its
 * `perUserMax`, or two of one sponsor by the plan's pools (invariant 5). Transfers without grant or grab are not seen from
 * here: the audit of their event finds those.
 */
export async function auditWallets(db: Db, { eventId, wallets }: WalletsAudit): Promise<WalletsPage> {
  const values = 'ids' in wallets ? [wallets.ids] : [wallets.from, wallets.to];
  const text = 'ids' in wallets ? namedSql : rangeSql;
  const { rows } = await db.query<Row>(text, [eventId ?? null, ...values]);
  const row = rows[0]!;
  return { violations: (row.bad ?? []).flatMap(violationsOf) };
}

function violationsOf({ id, kind, balance, fen, right, packets, sponsored, sponsors, max }: BadRow): Violation[] {
  const subject = `account ${id}`;
  const found: Violation[] = [];
  if (kind !== 'wallet' && !right) {
    found.push({
      rule: 'transfer_accounts',
      subject,
      detail: `credited, but ${kind === null ? 'does not exist' : `a ${kind}`}`,
    });
  } else if (!right) {
    const detail = `holds ${balance} fen, its transfers say ${fen ?? 0}, or one of its grants and grabs has none`;
    found.push({ rule: 'wallet_balance', subject, detail });
  }
  if (max !== null && packets > max) found.push({ rule: 'per_user_max', subject, detail: `has ${packets} packets` });
  if (sponsored > sponsors) {
    found.push({ rule: 'one_per_sponsor', subject, detail: `has ${sponsored} packets of ${sponsors} sponsors` });
  }
  return found;
}

/** The last account there is; 0 when there is none. */
export async function lastAccountId(db: Db): Promise<bigint> {
  const { rows } = await db.query<{ last: bigint }>('SELECT coalesce(max(id), 0)::bigint AS last FROM accounts');
  return rows[0]!.last;
}
