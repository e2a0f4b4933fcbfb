import type { Db } from '../pool.ts';
import type { Violation, ViolationRule } from '../violation.ts';
import { endOf, rowsPerPage, startOf } from './audit-page.ts';
import type { AuditedPool } from './audit-pools.sql.ts';

/** A denial by its primary key. */
export interface DenialKey {
  readonly packetId: bigint;
  readonly epoch: number;
  readonly accountId: bigint;
}

export interface DenialsPage {
  /** The last denial of the page, behind which the next one begins; undefined when this was the last page. */
  readonly lastKey: DenialKey | undefined;
  readonly violations: readonly Violation[];
}

interface BadRow {
  readonly id: string;
  readonly epoch: number;
  readonly account: string;
  readonly outcome: string;
  readonly granted: boolean;
}

interface Row {
  readonly denials: number;
  readonly bad: BadRow[] | null;
  readonly last_packet: bigint | null;
  readonly last_epoch: number | null;
  readonly last_account: bigint | null;
}

/** The look-ups are scalar: each goes by index, and none becomes a join that reads whole tables. */
const sql = `
  SELECT count(*)::int AS denials,
    json_agg(json_build_object('id', v.packet_id::text, 'epoch', v.epoch, 'account', v.account_id::text,
        'outcome', v.outcome, 'granted', v.is_granted))
      FILTER (WHERE v.is_granted OR NOT v.is_founded) AS bad,
    (array_agg(v.packet_id ORDER BY v.ord DESC))[1] AS last_packet, (array_agg(v.epoch ORDER BY v.ord DESC))[1] AS last_epoch,
    (array_agg(v.account_id ORDER BY v.ord DESC))[1] AS last_account
  FROM (
    SELECT d.*, row_number() OVER (ORDER BY d.packet_id, d.epoch, d.account_id) AS ord,
      (SELECT g.account_id = d.account_id AND g.epoch = d.epoch FROM grants g WHERE g.packet_id = d.packet_id) IS TRUE AS is_granted,
      (d.event_id = $6 AND CASE d.outcome
        WHEN 'taken' THEN (SELECT g.account_id <> d.account_id FROM grants g WHERE g.packet_id = d.packet_id)
        WHEN 'sponsor_limit' THEN (
          SELECT g.packet_id <> d.packet_id FROM grants g
          WHERE g.account_id = d.account_id AND g.event_id = $6 AND g.sponsor_no = $7
        )
        WHEN 'limit' THEN (
          SELECT g.ordinal >= (SELECT e.per_user_max FROM events e WHERE e.id = $6) FROM grants g
          WHERE g.account_id = d.account_id AND g.event_id = $6 ORDER BY g.ordinal DESC LIMIT 1
        ) END) IS TRUE AS is_founded
    FROM (
      SELECT packet_id, epoch, account_id, event_id, outcome FROM denials
      WHERE (packet_id, epoch, account_id) > ($1::bigint, $2::smallint, $3::bigint) AND packet_id < $4
      ORDER BY packet_id, epoch, account_id LIMIT $5
    ) d
  ) v`;

/**
 * The denials of a pool behind a key, from the first one on without it, a page of them in one statement. Proves of each that it is not of a
 * ticket that was granted (invariant 7), and that what it says is so (invariant 4): the user has another packet of the sponsor, or
 * as many of the event as he may, or the packet is somebody else's.
 */
export async function auditDenials(db: Db, pool: AuditedPool, after: DenialKey | undefined): Promise<DenialsPage> {
  const { packetId, epoch, accountId } = after ?? { packetId: startOf(pool), epoch: 0, accountId: 0n };
  const values = [packetId, epoch, accountId, endOf(pool), rowsPerPage, pool.eventId, pool.sponsorNo];
  const { rows } = await db.query<Row>(sql, values);
  const { denials, bad, last_packet, last_epoch, last_account } = rows[0]!;
  const lastKey = { packetId: last_packet!, epoch: last_epoch!, accountId: last_account! };
  return { lastKey: denials < rowsPerPage ? undefined : lastKey, violations: (bad ?? []).map(violationOf) };
}

function violationOf({ id, epoch, account, outcome, granted }: BadRow): Violation {
  const rule: ViolationRule = granted ? 'denied_grant' : 'denial_reason';
  const subject = `packet ${id}`;
  const detail = granted ? 'was denied and granted' : `was denied as ${outcome}, which is not so`;
  return { rule, subject, detail: `epoch ${epoch}, account ${account}: ${detail}` };
}
