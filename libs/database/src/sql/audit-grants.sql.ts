import type { Db } from '../pool.ts';
import { safeNumber } from '../safe-number.ts';
import type { Violation, ViolationRule } from '../violation.ts';
import {
  endOf,
  type LedgerPage,
  type PacketRange,
  packetNoOf,
  packetNoSql,
  parseIntegers,
  walletPageBits,
} from './audit-page.ts';
import type { AuditedPool } from './audit-pools.sql.ts';

/** The grants of a range of packets, each with its transfer. */
export interface GrantsPage extends LedgerPage {
  readonly grants: number;
  /** Of the grants whose packets the plan has: packet number less `firstPacketNo`, and the amount as booked; in no order. */
  readonly offsets: readonly number[];
  readonly amounts: readonly number[];
  readonly violations: readonly Violation[];
}

interface BadRow {
  readonly id: string;
  readonly granted: boolean;
  readonly booked: boolean;
  readonly match: boolean;
  readonly event: number | null;
  readonly plan: boolean;
  readonly epoch: number | null;
  readonly block: number | null;
}

interface Row {
  readonly grants: number;
  readonly fen: bigint;
  readonly offsets: string | null;
  readonly amounts: string | null;
  readonly wallet_pages: string | null;
  readonly bad: BadRow[] | null;
  readonly next_id: bigint | null;
}

const sql = `
  SELECT count(v.packet_id)::int AS grants, coalesce(sum(v.booked_fen), 0)::bigint AS fen,
    (array_agg(v.packet_no - $5::bigint) FILTER (WHERE v.is_planned))::text AS offsets,
    (array_agg(v.amount_fen) FILTER (WHERE v.is_planned))::text AS amounts,
    (array_agg(DISTINCT v.account_id >> ${walletPageBits}) FILTER (WHERE v.account_id IS NOT NULL))::text AS wallet_pages,
    json_agg(json_build_object('id', v.id::text, 'granted', v.packet_id IS NOT NULL, 'booked', v.ref IS NOT NULL,
        'match', v.is_match, 'event', v.booked_event, 'plan', v.is_planned, 'epoch', v.epoch, 'block', v.block_epoch))
      FILTER (WHERE NOT (v.is_match AND v.is_planned AND v.is_stocked AND v.booked_event = $6)) AS bad,
    least((SELECT packet_id FROM grants WHERE packet_id >= $3 AND packet_id < $4 ORDER BY packet_id LIMIT 1),
      (SELECT ref FROM transfers WHERE kind = 'grant' AND ref >= $3 AND ref < $4 ORDER BY ref LIMIT 1)) AS next_id
  FROM (
    SELECT g.packet_id, g.account_id, g.amount_fen, g.epoch, t.ref, coalesce(g.packet_id, t.ref) AS id,
      t.amount_fen AS booked_fen, coalesce(t.event_id, $6) AS booked_event, b.epoch AS block_epoch,
      ${packetNoSql('g.packet_id', '$9::int')} AS packet_no,
      (t.amount_fen = g.amount_fen AND t.credit_account = g.account_id AND t.debit_account = $7) IS TRUE AS is_match,
      (g.event_id = $6 AND g.sponsor_no = $8 AND g.amount_fen BETWEEN $11 AND $12 AND (g.packet_id & 255) < $9::int
        AND ${packetNoSql('g.packet_id', '$9::int')} < $10) IS TRUE AS is_planned,
      (b.epoch >= g.epoch) IS TRUE AS is_stocked
    FROM (SELECT * FROM grants WHERE packet_id >= $2 AND packet_id < $3) g
    FULL JOIN (SELECT * FROM transfers WHERE kind = 'grant' AND ref >= $2 AND ref < $3) t ON t.ref = g.packet_id
    LEFT JOIN (
      SELECT block_no, epoch FROM blocks
      WHERE pool_id = $1 AND block_no >= (($2::bigint >> 8) & 2147483647) AND block_no <= ((($3::bigint - 1) >> 8) & 2147483647)
    ) b ON b.block_no = ((g.packet_id >> 8) & 2147483647)::int
  ) v`;

/**
 * The grants of a range, in one statement. Proves that grants and transfers of the range are the same set, each with its packet's
 * amount, from the pool's account to the winner's and in the pool's event (invariants 1, 8); that each grant is of a packet, sponsor and
 * amount that the plan has; and that its block was stocked in an epoch not before the grant's (invariant 3). The amounts are for the caller to
 * derive anew.
 */
export async function auditGrants(db: Db, pool: AuditedPool, range: PacketRange): Promise<GrantsPage> {
  const firstPacketNo = packetNoOf(pool, range.from);
  const { rows } = await db.query<Row>(sql, [
    pool.poolId,
    range.from,
    range.to,
    endOf(pool),
    firstPacketNo,
    pool.eventId,
    pool.accountId ?? null,
    pool.sponsorNo,
    pool.blockSize,
    pool.packetCount,
    pool.minFen,
    pool.maxFen,
  ]);
  const row = rows[0]!;
  return {
    grants: row.grants,
    fen: safeNumber(row.fen),
    firstPacketNo,
    offsets: parseIntegers(row.offsets),
    amounts: parseIntegers(row.amounts),
    walletPages: parseIntegers(row.wallet_pages),
    nextId: row.next_id ?? undefined,
    violations: (row.bad ?? []).flatMap((bad) => violationsOf(pool, bad)),
  };
}

function violationsOf(pool: AuditedPool, bad: BadRow): Violation[] {
  const found: Violation[] = [];
  const note = (rule: ViolationRule, detail: string) => found.push({ rule, subject: `packet ${bad.id}`, detail });
  if (!bad.granted) note('grant_transfer', 'transfer without a grant');
  else if (!bad.booked) note('grant_transfer', 'granted without a transfer');
  else if (!bad.match) note('grant_transfer', 'grant and transfer differ');
  if (bad.event !== pool.eventId) note('transfer_event', `its transfer is in event ${bad.event}`);
  if (!bad.granted) return found;
  if (!bad.plan) note('grant_plan', "is none of the event's plan: event, sponsor, index or amount");
  if (!((bad.block ?? 0) >= bad.epoch!)) {
    note('grant_block', `granted in epoch ${bad.epoch}, its block is in ${bad.block ?? 0}`);
  }
  return found;
}
