import type { PoolClient } from '#libs/database';
import type { Fen } from '#libs/domain';

export type BookingKind = 'grant' | 'grab';

/** A grant (portion 0) or a grab as booked, by its row. */
export interface Booking {
  readonly packetId: bigint;
  readonly portion: number;
  readonly amountFen: Fen;
  readonly eventId: number;
  readonly account: bigint;
  /** Of a grant what it says of its sponsor; of a grab whether its packet was granted. */
  readonly standing: number | boolean | null;
}

/** The money that moved for one, by the transfer of the same id. */
export interface BookedTransfer {
  readonly packetId: bigint;
  readonly portion: number;
  readonly amountFen: bigint;
  readonly eventId: number;
  readonly debitAccount: bigint;
  readonly creditAccount: bigint;
}

/** Rows of one page, in the order of packet and portion: bookings, and all transfers up to the last of them. */
export interface Page {
  readonly bookings: readonly Booking[];
  readonly transfers: readonly BookedTransfer[];
}

/** What is in memory at a time, some megabytes, however large the event is. */
export const pageRows = 10_000;

const tables: Readonly<Record<BookingKind, string>> = {
  grant: `SELECT packet_id, 0 AS portion, amount_fen, event_id, account_id, sponsor_no FROM grants
    WHERE packet_id > $1 AND packet_id <= $3 AND $2::int IS NOT NULL ORDER BY packet_id LIMIT $4`,
  grab: `SELECT packet_id, portion, amount_fen, event_id, account_id,
      (SELECT true FROM grants g WHERE g.packet_id = x.packet_id)
    FROM grabs x WHERE (packet_id, portion) > ($1::bigint, $2::int) AND packet_id <= $3 ORDER BY packet_id, portion LIMIT $4`,
};
const transfersText = `SELECT ref, portion, amount_fen, event_id, debit_account, credit_account FROM transfers
  WHERE kind = $1 AND (ref, portion) > ($2::bigint, $3::int) AND (ref, portion) <= ($4::bigint, $5::int)
  ORDER BY ref, portion LIMIT $6`;

type Key = readonly [packetId: bigint, portion: number];
const portionMax = 32_767;

/**
 * All bookings of a kind in a pool and their transfers, page by page, on the snapshot that the client holds. Pages go by primary
 * keys: call `forcePagesByIndex` before.
 */
export async function* readBookings(client: PoolClient, kind: BookingKind, poolId: number): AsyncGenerator<Page> {
  const end: Key = [(BigInt(poolId + 1) << 39n) - 1n, portionMax];
  let after: Key = [(BigInt(poolId) << 39n) - 1n, portionMax];
  for (;;) {
    const bookings = await readPage(client, kind, after, end[0]);
    const last = bookings.at(-1);
    const isLastPage = bookings.length < pageRows;
    const upTo: Key = isLastPage || last === undefined ? end : [last.packetId, last.portion];
    // one more than there can be: what is over shows as a transfer without a booking
    const transfers = await readTransfers(client, kind, after, upTo, bookings.length + 1);
    yield { bookings, transfers };
    if (isLastPage) return;
    after = upTo;
  }
}

async function readPage(client: PoolClient, kind: BookingKind, after: Key, end: bigint): Promise<Booking[]> {
  const { rows } = await client.query<[bigint, number, number, number, bigint, number | boolean | null]>({
    name: `verify_${kind}`,
    rowMode: 'array',
    text: tables[kind],
    values: [...after, end, pageRows],
  });
  return rows.map(([packetId, portion, amountFen, eventId, account, standing]) => ({
    packetId,
    portion,
    amountFen,
    eventId,
    account,
    standing,
  }));
}

async function readTransfers(
  client: PoolClient,
  kind: BookingKind,
  after: Key,
  upTo: Key,
  limit: number,
): Promise<BookedTransfer[]> {
  const { rows } = await client.query<[bigint, number, bigint, number, bigint, bigint]>({
    name: 'verify_transfers',
    rowMode: 'array',
    text: transfersText,
    values: [kind, ...after, ...upTo, limit],
  });
  return rows.map(([packetId, portion, amountFen, eventId, debitAccount, creditAccount]) => ({
    packetId,
    portion,
    amountFen,
    eventId,
    debitAccount,
    creditAccount,
  }));
}

/** For the transaction: without statistics the planner would sort all that is left for each page. */
export async function forcePagesByIndex(client: PoolClient): Promise<void> {
  await client.query('SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off');
}

/** For what reads whole tables in the same transaction. */
export async function allowWholeTables(client: PoolClient): Promise<void> {
  await client.query('SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on; SET LOCAL enable_seqscan = on');
}
