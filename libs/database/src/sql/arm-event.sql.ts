import { type Db, inTransaction, type PoolClient } from '../pool.ts';

export interface Arming {
  readonly eventId: number;
  readonly atMs: number;
  /** At least 32 bytes; only allocation reads it again. */
  readonly secret: Buffer;
  readonly secretCommitment: string;
  readonly canonicalPlan: string;
  readonly openLaneCount: number;
  readonly grabLaneCount: number;
}

/**
 * draft → armed, in one transaction: fixes secret, commitment and lane counts, makes the sponsors' and pools' accounts and funds
 * every pool with all its money, packets and shares (invariant 8). False, and nothing is changed, when the event is no draft.
 */
export function armEvent(db: Db, arming: Arming): Promise<boolean> {
  return inTransaction(db, async (client) => {
    if (!(await moveToArmed(client, arming))) return false;
    const { eventId, secret, atMs } = arming;
    await client.query('INSERT INTO event_secrets (event_id, secret) VALUES ($1, $2)', [eventId, secret]);
    await openAccounts(client, eventId);
    await fundPools(client, eventId, atMs);
    return true;
  });
}

async function moveToArmed(client: PoolClient, arming: Arming): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE events
     SET state = 'armed', armed_at = $2, secret_commitment = $3, canonical_plan = $4, open_lane_count = $5, grab_lane_count = $6
     WHERE id = $1 AND state = 'draft'`,
    [
      arming.eventId,
      new Date(arming.atMs),
      arming.secretCommitment,
      arming.canonicalPlan,
      arming.openLaneCount,
      arming.grabLaneCount,
    ],
  );
  return rowCount === 1;
}

async function openAccounts(client: PoolClient, eventId: number): Promise<void> {
  await client.query(
    `WITH account AS (
       INSERT INTO accounts (kind, name)
       SELECT 'sponsor', s.event_id || '/' || s.sponsor_id FROM sponsors s WHERE s.event_id = $1 ORDER BY s.no
       RETURNING id, name
     )
     UPDATE sponsors s SET account_id = a.id FROM account a WHERE s.event_id = $1 AND a.name = s.event_id || '/' || s.sponsor_id`,
    [eventId],
  );
  await client.query(
    `WITH account AS (
       INSERT INTO accounts (kind, name) SELECT 'pool', p.id::text FROM pools p WHERE p.event_id = $1 ORDER BY p.id
       RETURNING id, name
     )
     UPDATE pools p SET account_id = a.id FROM account a WHERE p.event_id = $1 AND a.name = p.id::text`,
    [eventId],
  );
}

/** One transfer per pool, from its sponsor: `budget_fen + share_budget_fen`. */
async function fundPools(client: PoolClient, eventId: number, atMs: number): Promise<void> {
  const { rowCount } = await client.query(
    `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id, at)
     SELECT 'fund', p.id, 0, s.account_id, p.account_id, p.budget_fen + p.share_budget_fen, p.event_id, p.id, $2
     FROM pools p JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no
     WHERE p.event_id = $1`,
    [eventId, new Date(atMs)],
  );
  if (rowCount === 0) throw new Error(`event ${eventId} has no pools to fund`);
}
