import type { Fen } from '#libs/domain';
import { type Db, inTransaction, type PoolClient } from '../pool.ts';

export interface Settling {
  readonly eventId: number;
  readonly atMs: number;
  readonly revealedSecret: string;
  /** What nobody claimed, for every pool of the event; 0 books nothing. */
  readonly refunds: readonly { readonly poolId: number; readonly amountFen: Fen }[];
}

/**
 * closed → settled, in one transaction: refunds what is unclaimed from each pool to its sponsor (invariant 8) and reveals the
 * secret. True too when it was settled before, and nothing is booked then. False while it is not closed, was not handed to
 * `beginSettlement`, or has a block that is not closed. Throws when `refunds` does not name exactly the event's pools.
 */
export function settleEvent(db: Db, settling: Settling): Promise<boolean> {
  return inTransaction(db, async (client) => {
    const standing = await lockEvent(client, settling.eventId);
    if (standing !== 'ready') return standing === 'settled';
    await assertAllPools(client, settling);
    await refundPools(client, settling);
    await client.query(
      "UPDATE events SET state = 'settled', settled_at = $2, revealed_secret = $3 WHERE id = $1 AND state = 'closed'",
      [settling.eventId, new Date(settling.atMs), settling.revealedSecret],
    );
    return true;
  });
}

async function lockEvent(client: PoolClient, eventId: number): Promise<'ready' | 'settled' | 'too_early'> {
  const { rows } = await client.query<{ standing: 'ready' | 'settled' | 'too_early' }>(
    `SELECT CASE
       WHEN e.state = 'settled' THEN 'settled'
       WHEN e.state = 'closed' AND e.settling_at IS NOT NULL AND NOT EXISTS (
         SELECT FROM pools p JOIN blocks b ON b.pool_id = p.id WHERE p.event_id = e.id AND b.state <> 'closed'
       ) THEN 'ready' ELSE 'too_early' END AS standing
     FROM events e WHERE e.id = $1 FOR UPDATE`,
    [eventId],
  );
  return rows[0]?.standing ?? 'too_early';
}

async function assertAllPools(client: PoolClient, { eventId, refunds }: Settling): Promise<void> {
  const { rows } = await client.query<{ id: number }>('SELECT id FROM pools WHERE event_id = $1', [eventId]);
  const named = new Set(refunds.map(({ poolId }) => poolId));
  if (named.size !== refunds.length || named.size !== rows.length || rows.some(({ id }) => !named.has(id))) {
    throw new Error(`the refunds of event ${eventId} must name each of its ${rows.length} pools once`);
  }
}

async function refundPools(client: PoolClient, { eventId, refunds, atMs }: Settling): Promise<void> {
  const due = refunds.filter(({ amountFen }) => amountFen !== 0);
  const { rowCount } = await client.query(
    `INSERT INTO transfers (kind, ref, portion, debit_account, credit_account, amount_fen, event_id, pool_id, at)
     SELECT 'refund', p.id, 0, p.account_id, s.account_id, r.amount_fen, p.event_id, p.id, $4
     FROM unnest($2::int[], $3::bigint[]) AS r (pool_id, amount_fen)
     JOIN pools p ON p.id = r.pool_id AND p.event_id = $1
     JOIN sponsors s ON s.event_id = p.event_id AND s.no = p.sponsor_no`,
    [eventId, due.map(({ poolId }) => poolId), due.map(({ amountFen }) => amountFen), new Date(atMs)],
  );
  if (rowCount !== due.length) throw new Error(`${rowCount} of ${due.length} refunds of event ${eventId} were booked`);
}
