import { blockCountOf, blockLifeMsOf, blockSizeOf, type DraftPool, type EventDraft } from '#libs/domain';
import { type Db, inTransaction, type PoolClient } from '../pool.ts';

/**
 * Writes a draft: event, sponsors (numbered in their order from 0), waves and pools, which are cut into blocks here, in one
 * transaction. Gives the event's id. The draft must be without faults (`findEventFaults`); what the CHECKs refuse rejects as a data error.
 */
export function createEvent(db: Db, draft: EventDraft, createdAtMs: number): Promise<number> {
  return inTransaction(db, async (client) => {
    const eventId = await insertEvent(client, draft, createdAtMs);
    await insertSponsors(client, eventId, draft);
    await insertWaves(client, eventId, draft);
    await insertPools(client, eventId, draft);
    return eventId;
  });
}

async function insertEvent(client: PoolClient, draft: EventDraft, createdAtMs: number): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    `INSERT INTO events (title, starts_at, ends_at, shares_end_at, per_user_max, ticket_ttl_ms, stagger_ms, shake_interval_ms,
       block_life_ms, grace_ms, reissue, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
    [
      draft.title,
      new Date(draft.startsAtMs),
      new Date(draft.endsAtMs),
      new Date(draft.sharesEndAtMs),
      draft.perUserMax,
      draft.ticketTtlMs,
      draft.staggerMs,
      draft.shakeIntervalMs,
      draft.blockLifeMs ?? null,
      draft.graceMs,
      draft.reissue,
      new Date(createdAtMs),
    ],
  );
  return rows[0]!.id;
}

async function insertSponsors(client: PoolClient, eventId: number, { sponsors }: EventDraft): Promise<void> {
  await client.query(
    `INSERT INTO sponsors (event_id, no, sponsor_id, name)
     SELECT $1, s.ord - 1, s.id, s.name FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS s (id, name, ord)`,
    [eventId, sponsors.map(({ id }) => id), sponsors.map(({ name }) => name)],
  );
}

async function insertWaves(client: PoolClient, eventId: number, { waves }: EventDraft): Promise<void> {
  await client.query(
    `INSERT INTO waves (event_id, no, starts_at, duration_ms)
     SELECT $1, w.no, w.starts_at, w.duration_ms
     FROM unnest($2::smallint[], $3::timestamptz[], $4::bigint[]) AS w (no, starts_at, duration_ms)`,
    [
      eventId,
      waves.map(({ no }) => no),
      waves.map(({ startsAtMs }) => new Date(startsAtMs)),
      waves.map(({ durationMs }) => durationMs),
    ],
  );
}

async function insertPools(
  client: PoolClient,
  eventId: number,
  { sponsors, waves, blockLifeMs }: EventDraft,
): Promise<void> {
  const sponsorNos = new Map(sponsors.map(({ id }, no) => [id, no]));
  const pools = waves.flatMap(({ no, durationMs, pools }) =>
    pools.map((pool) => ({
      wave_no: no,
      sponsor_no: sponsorNos.get(pool.sponsorId),
      ...planRow(pool),
      ...blocksRow(pool, durationMs, blockLifeMs),
    })),
  );
  await client.query(
    `INSERT INTO pools (event_id, wave_no, sponsor_no, packet_count, budget_fen, min_fen, max_fen, share_portions,
       share_budget_fen, release_curve, block_size, block_count, block_life_ms)
     SELECT $1, p.wave_no, p.sponsor_no, p.packet_count, p.budget_fen, p.min_fen, p.max_fen, p.share_portions,
       p.share_budget_fen, p.release_curve, p.block_size, p.block_count, p.block_life_ms
     FROM ROWS FROM (jsonb_to_recordset($2) AS (wave_no smallint, sponsor_no smallint, packet_count int, budget_fen bigint,
       min_fen int, max_fen int, share_portions smallint, share_budget_fen bigint, release_curve jsonb, block_size smallint,
       block_count int, block_life_ms int)) WITH ORDINALITY AS p
     ORDER BY p.ordinality`,
    [eventId, JSON.stringify(pools)],
  );
}

function planRow(pool: DraftPool): Record<string, unknown> {
  return {
    packet_count: pool.packetCount,
    budget_fen: pool.budgetFen,
    min_fen: pool.minFen,
    max_fen: pool.maxFen,
    share_portions: pool.sharePortions,
    share_budget_fen: pool.shareBudgetFen,
    release_curve: pool.releaseCurve,
  };
}

/** How the pool is cut into blocks, and how long they live. */
function blocksRow(pool: DraftPool, durationMs: number, blockLifeMs: number | undefined): Record<string, number> {
  const shape = { ...pool, blockSize: blockSizeOf(pool.packetCount, durationMs) };
  return {
    block_size: shape.blockSize,
    block_count: blockCountOf(shape),
    block_life_ms: blockLifeMs ?? blockLifeMsOf(shape, durationMs),
  };
}
