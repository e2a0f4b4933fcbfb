import { setPlanner } from '../planner.ts';
import type { Db } from '../pool.ts';
import { type PacketRange, poolBits } from './audit-page.ts';

/** Packet ids of one block. */
const blockIdBits = 8n;

/** What was booked for the pools of an event since a time. */
export interface BookedSince {
  /** Blocks of which packets were granted, or grabbed from, each as the id of its first packet; ascending. */
  readonly grantedBlocks: readonly bigint[];
  readonly grabbedBlocks: readonly bigint[];
  /** Accounts that were credited. */
  readonly walletIds: readonly bigint[];
}

/**
 * How far apart a transaction's `now()` and the time under which the server shows it may be, in ms: they are set one right after the
 * other, by a backend that may have to wait for the processor in between.
 */
const startMarginMs = 1000;

/**
 * A time of the database's clock from which on `readBookedSince` must look the next time: what a look that begins after this call
 * does not see yet, because its transaction has not committed, carries that time or a later one. `at` is the start of a row's
 * transaction, so the oldest transaction under way decides. Call it before the look, in no transaction.
 */
export async function readWatermarkMs(db: Db): Promise<number> {
  const { rows } = await db.query<{ ms: number }>(
    `SELECT floor(extract(epoch FROM least(now(), min(a.xact_start))) * 1000)::float8 - $1::int AS ms
     FROM pg_stat_activity a WHERE a.datname = current_database()`,
    [startMarginMs],
  );
  return rows[0]!.ms;
}

interface Row {
  readonly granted: string | null;
  readonly grabbed: string | null;
  readonly wallets: string | null;
}

/** Grants and grabs whose transactions began at `sinceMs` (the database's clock) or later, by the BRIN index over `at`. */
export async function readBookedSince(
  db: Db,
  { poolIds, sinceMs }: { readonly poolIds: readonly number[]; readonly sinceMs: number },
): Promise<BookedSince> {
  // without statistics a third of all rows is expected. The kinds stand behind FILTER: the primary key is no way to read a time.
  await setPlanner(db, { enable_seqscan: 'off', enable_bitmapscan: 'on' });
  const { rows } = await db.query<Row>(
    `SELECT (array_agg(DISTINCT t.ref >> 8) FILTER (WHERE t.kind = 'grant'))::text AS granted,
       (array_agg(DISTINCT t.ref >> 8) FILTER (WHERE t.kind = 'grab'))::text AS grabbed,
       (array_agg(DISTINCT t.credit_account) FILTER (WHERE t.kind IN ('grant', 'grab')))::text AS wallets
     FROM transfers t
     WHERE t.at >= to_timestamp($2::float8 / 1000) AND t.pool_id = ANY ($1::int[])`,
    [poolIds, sinceMs],
  );
  const { granted, grabbed, wallets } = rows[0]!;
  return {
    grantedBlocks: idsOf(granted).map((block) => block << blockIdBits),
    grabbedBlocks: idsOf(grabbed).map((block) => block << blockIdBits),
    walletIds: idsOf(wallets),
  };
}

function idsOf(text: string | null): bigint[] {
  return text === null ? [] : text.slice(1, -1).split(',').map(BigInt);
}

/** The pool of a packet id. */
export function poolIdOf(id: bigint): number {
  return Number(id >> poolBits);
}

/** True when the id lies in the range. */
export function isIn({ from, to }: PacketRange, id: bigint): boolean {
  return id >= from && id < to;
}
