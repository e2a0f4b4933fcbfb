import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import type { Violation, ViolationRule } from '../violation.ts';
import {
  endOf,
  type LedgerPage,
  type PacketRange,
  packetIdAt,
  packetNoOf,
  packetNoSql,
  parseIntegers,
  walletPageBits,
} from './audit-page.ts';
import type { AuditedPool } from './audit-pools.sql.ts';

/** The grabs of a range of packets, each with its transfer. */
export interface GrabsPage extends LedgerPage {
  readonly grabs: number;
  /** Of the grabs whose packets and portions the plan has, by packet: packet number less `firstPacketNo`, portion (from 1), amount as booked. */
  readonly offsets: readonly number[];
  readonly portions: readonly number[];
  readonly amounts: readonly number[];
  readonly violations: readonly Violation[];
}

interface BadRow {
  readonly id: string;
  readonly portion: number;
  readonly grabbed: boolean;
  readonly booked: boolean;
  readonly match: boolean;
  readonly event: number;
  readonly plan: boolean;
}

interface Row {
  readonly grabs: number;
  readonly fen: bigint;
  readonly offsets: string | null;
  readonly portions: string | null;
  readonly amounts: string | null;
  readonly wallet_pages: string | null;
  readonly bad: BadRow[] | null;
  readonly next_id: bigint | null;
}

const sql = `
  SELECT count(v.packet_id)::int AS grabs, coalesce(sum(v.booked_fen), 0)::bigint AS fen,
    (array_agg(v.packet_no - $4::bigint ORDER BY v.packet_id, v.portion) FILTER (WHERE v.is_planned))::text AS offsets,
    (array_agg(v.portion ORDER BY v.packet_id, v.portion) FILTER (WHERE v.is_planned))::text AS portions,
    (array_agg(v.amount_fen ORDER BY v.packet_id, v.portion) FILTER (WHERE v.is_planned))::text AS amounts,
    (array_agg(DISTINCT v.account_id >> ${walletPageBits}) FILTER (WHERE v.account_id IS NOT NULL))::text AS wallet_pages,
    json_agg(json_build_object('id', v.id::text, 'portion', v.any_portion, 'grabbed', v.packet_id IS NOT NULL,
        'booked', v.ref IS NOT NULL, 'match', v.is_match, 'event', v.booked_event, 'plan', v.is_planned))
      FILTER (WHERE NOT (v.is_match AND v.is_planned AND v.booked_event = $5)) AS bad,
    least((SELECT packet_id FROM grabs WHERE packet_id >= $2 AND packet_id < $3 ORDER BY packet_id LIMIT 1),
      (SELECT ref FROM transfers WHERE kind = 'grab' AND ref >= $2 AND ref < $3 ORDER BY ref LIMIT 1)) AS next_id
  FROM (
    SELECT x.packet_id, x.portion, x.account_id, x.amount_fen, t.ref, coalesce(x.packet_id, t.ref) AS id,
      coalesce(x.portion, t.portion) AS any_portion, t.amount_fen AS booked_fen, coalesce(t.event_id, $5) AS booked_event,
      ${packetNoSql('x.packet_id', '$7::int')} AS packet_no,
      (t.amount_fen = x.amount_fen AND t.credit_account = x.account_id AND t.debit_account = $6) IS TRUE AS is_match,
      (x.event_id = $5 AND x.portion <= $9 AND (x.packet_id & 255) < $7::int
        AND ${packetNoSql('x.packet_id', '$7::int')} < $8 AND g.packet_id = x.packet_id) IS TRUE AS is_planned
    FROM (SELECT * FROM grabs WHERE packet_id >= $1 AND packet_id < $2) x
    FULL JOIN (SELECT * FROM transfers WHERE kind = 'grab' AND ref >= $1 AND ref < $2) t
      ON t.ref = x.packet_id AND t.portion = x.portion
    LEFT JOIN (SELECT packet_id FROM grants WHERE packet_id >= $1 AND packet_id < $2) g ON g.packet_id = x.packet_id
  ) v`;

/**
 * The grabs of a range, in one statement. Proves that grabs and transfers of the range are the same set, each with its portion's
 * amount, from the pool's account to the friend's and in the pool's event (invariant 8); that each is of a packet that was granted and of
 * a portion that it has; and that a packet's portions were given from the first on, none left out. The amounts are for the caller to
 * derive anew.
 */
export async function auditGrabs(db: Db, pool: AuditedPool, range: PacketRange): Promise<GrabsPage> {
  const firstPacketNo = packetNoOf(pool, range.from);
  const { rows } = await db.query<Row>(sql, [
    range.from,
    range.to,
    endOf(pool),
    firstPacketNo,
    pool.eventId,
    pool.accountId ?? null,
    pool.blockSize,
    pool.packetCount,
    pool.sharePortions,
  ]);
  const row = rows[0]!;
  const offsets = parseIntegers(row.offsets);
  const portions = parseIntegers(row.portions);
  return {
    grabs: row.grabs,
    fen: safeNumber(row.fen),
    firstPacketNo,
    offsets,
    portions,
    amounts: parseIntegers(row.amounts),
    walletPages: parseIntegers(row.wallet_pages),
    nextId: row.next_id ?? undefined,
    violations: [
      ...(row.bad ?? []).flatMap((bad) => violationsOf(pool, bad)),
      ...findGaps(pool, firstPacketNo, offsets, portions),
    ],
  };
}

/** Portions are given one after the other: each follows the one before it, the first of a packet is portion 1. */
function findGaps(
  pool: AuditedPool,
  firstPacketNo: number,
  offsets: readonly number[],
  portions: readonly number[],
): Violation[] {
  const gaps: Violation[] = [];
  for (let i = 0; i < offsets.length; i++) {
    const expected = offsets[i] === offsets[i - 1] ? portions[i - 1]! + 1 : 1;
    if (portions[i] === expected) continue;
    const subject = `packet ${packetIdAt(pool, firstPacketNo + offsets[i]!)}/${portions[i]}`;
    gaps.push({ rule: 'grab_plan', subject, detail: `grabbed while portion ${expected} is not` });
  }
  return gaps;
}

function violationsOf(pool: AuditedPool, bad: BadRow): Violation[] {
  const found: Violation[] = [];
  const subject = `packet ${bad.id}/${bad.portion}`;
  const note = (rule: ViolationRule, detail: string) => found.push({ rule, subject, detail });
  if (!bad.grabbed) note('grab_transfer', 'transfer without a grab');
  else if (!bad.booked) note('grab_transfer', 'grabbed without a transfer');
  else if (!bad.match) note('grab_transfer', 'grab and transfer differ');
  if (bad.event !== pool.eventId) note('transfer_event', `its transfer is in event ${bad.event}`);
  if (bad.grabbed && !bad.plan) note('grab_plan', "is none of the event's plan, or of a packet that nobody has");
  return found;
}
