import type { Fen } from '#libs/domain';
import { msOf, safeNumber } from '../safe-number.ts';

/** A granted packet, with what answers and pages need of its sponsor and pool. */
export interface GrantRecord {
  readonly packetId: bigint;
  readonly eventId: number;
  readonly userId: string;
  readonly sponsorNo: number;
  readonly sponsorId: string;
  readonly sponsorName: string;
  readonly epoch: number;
  readonly ordinal: number;
  readonly amountFen: Fen;
  readonly sharePortions: number;
  readonly acceptedAtMs: number;
  readonly grantedAtMs: number;
}

export interface GrantRow {
  readonly packet_id: bigint;
  readonly event_id: number;
  readonly user_id: string;
  readonly sponsor_no: number;
  readonly sponsor_id: string;
  readonly sponsor_name: string;
  readonly epoch: number;
  readonly ordinal: number;
  readonly amount_fen: number;
  readonly share_portions: number;
  readonly accepted_at_ms: bigint;
  readonly granted_at: Date;
}

/** The columns of a GrantRow, from `grantTables`. */
export const grantColumns = `g.packet_id, g.event_id, a.name AS user_id, g.sponsor_no, s.sponsor_id, s.name AS sponsor_name,
  g.epoch, g.ordinal, g.amount_fen, p.share_portions, g.accepted_at_ms, g.granted_at`;

export const grantTables = `grants g
  JOIN accounts a ON a.id = g.account_id
  JOIN sponsors s ON s.event_id = g.event_id AND s.no = g.sponsor_no
  JOIN pools p ON p.id = (g.packet_id >> 39)::int`;

export function grantRecordOf(row: GrantRow): GrantRecord {
  return {
    packetId: row.packet_id,
    eventId: row.event_id,
    userId: row.user_id,
    sponsorNo: row.sponsor_no,
    sponsorId: row.sponsor_id,
    sponsorName: row.sponsor_name,
    epoch: row.epoch,
    ordinal: row.ordinal,
    amountFen: row.amount_fen,
    sharePortions: row.share_portions,
    acceptedAtMs: safeNumber(row.accepted_at_ms),
    grantedAtMs: msOf(row.granted_at),
  };
}
