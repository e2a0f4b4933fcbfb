import type { PoolClient } from '#libs/database';
import type { CommittedPlan, Fen } from '#libs/domain';

/** What an event publishes, as it stands in the database. */
export interface PublishedEvent {
  readonly title: string;
  readonly state: string;
  readonly settledAt: Date | null;
  readonly commitment: string | null;
  readonly planText: string | null;
  /** Hex digits. */
  readonly secretText: string | null;
}

/** Undefined when there is no such event. */
export async function readPublished(client: PoolClient, eventId: number): Promise<PublishedEvent | undefined> {
  const { rows } = await client.query<PublishedEvent>(
    `SELECT title, state, settled_at AS "settledAt", secret_commitment AS commitment, canonical_plan AS "planText",
       revealed_secret AS "secretText"
     FROM events WHERE id = $1`,
    [eventId],
  );
  return rows[0];
}

/**
 * The plan by the tables that the product works from, to be held against the committed text. What JSON cannot keep apart from it
 * (bigint, timestamps) is written as whole numbers.
 */
export async function readTablePlan(client: PoolClient, eventId: number): Promise<CommittedPlan> {
  const { rows } = await client.query<{ plan: CommittedPlan }>(
    `SELECT jsonb_build_object(
       'eventId', e.id, 'title', e.title, 'perUserMax', e.per_user_max,
       'startsAtMs', (extract(epoch FROM e.starts_at) * 1000)::bigint,
       'endsAtMs', (extract(epoch FROM e.ends_at) * 1000)::bigint,
       'sponsors', (SELECT coalesce(jsonb_agg(jsonb_build_object('no', s.no, 'id', s.sponsor_id, 'name', s.name)), '[]')
         FROM sponsors s WHERE s.event_id = e.id),
       'waves', (SELECT coalesce(jsonb_agg(jsonb_build_object('no', w.no, 'durationMs', w.duration_ms,
           'startsAtMs', (extract(epoch FROM w.starts_at) * 1000)::bigint)), '[]')
         FROM waves w WHERE w.event_id = e.id),
       'pools', (SELECT coalesce(jsonb_agg(jsonb_build_object('poolId', p.id, 'waveNo', p.wave_no, 'sponsorNo', p.sponsor_no,
           'packetCount', p.packet_count, 'blockSize', p.block_size, 'budgetFen', p.budget_fen, 'minFen', p.min_fen,
           'maxFen', p.max_fen, 'sharePortions', p.share_portions, 'shareBudgetFen', p.share_budget_fen,
           'releaseCurve', p.release_curve)), '[]')
         FROM pools p WHERE p.event_id = e.id)) AS plan
     FROM events e WHERE e.id = $1`,
    [eventId],
  );
  return rows[0]!.plan;
}

/** A transfer that moves a pool's money as a whole. */
export interface PoolTransfer {
  readonly amountFen: Fen;
  readonly debitAccount: bigint;
  readonly creditAccount: bigint;
}

/** The accounts of a pool and what was moved in and back. */
export interface PoolLedger {
  readonly poolId: number;
  readonly poolAccount: bigint;
  readonly sponsorAccount: bigint;
  readonly fund: PoolTransfer | undefined;
  readonly refund: PoolTransfer | undefined;
}

type PoolLedgerRow = [poolId: number, poolAccount: bigint, sponsorAccount: bigint, ...transfers: (bigint | null)[]];

/** Of every pool of the event, by id. */
export async function readPoolLedgers(client: PoolClient, eventId: number): Promise<PoolLedger[]> {
  const { rows } = await client.query<PoolLedgerRow>({
    rowMode: 'array',
    text: `SELECT p.id, p.account_id, s.account_id, f.amount_fen, f.debit_account, f.credit_account,
         r.amount_fen, r.debit_account, r.credit_account
       FROM pools p
       JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
       LEFT JOIN transfers f ON f.kind = 'fund' AND f.ref = p.id AND f.portion = 0
       LEFT JOIN transfers r ON r.kind = 'refund' AND r.ref = p.id AND r.portion = 0
       WHERE p.event_id = $1 ORDER BY p.id`,
    values: [eventId],
  });
  return rows.map(([poolId, poolAccount, sponsorAccount, ...moved]) => ({
    poolId,
    poolAccount,
    sponsorAccount,
    fund: poolTransferOf(moved.slice(0, 3)),
    refund: poolTransferOf(moved.slice(3)),
  }));
}

function poolTransferOf([amount, debitAccount, creditAccount]: (bigint | null)[]): PoolTransfer | undefined {
  if (amount == null || debitAccount == null || creditAccount == null) return undefined;
  return { amountFen: Number(amount), debitAccount, creditAccount };
}

/** How many rows the tables have of the event, by what they say themselves. */
export async function countRows(client: PoolClient, eventId: number): Promise<Readonly<Record<string, number>>> {
  const { rows } = await client.query<{ kind: string; count: bigint }>(
    `SELECT 'grants' AS kind, count(*) FROM grants WHERE event_id = $1
     UNION ALL SELECT 'grabs', count(*) FROM grabs WHERE event_id = $1
     UNION ALL SELECT 'transfers', count(*) FROM transfers WHERE event_id = $1`,
    [eventId],
  );
  return Object.fromEntries(rows.map(({ kind, count }) => [kind, Number(count)]));
}
