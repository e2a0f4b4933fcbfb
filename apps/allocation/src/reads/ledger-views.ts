import { type History, isoOf, type PacketStatus, type Wallet } from '#libs/contracts';
import type { GrantRecord, PacketLedgerStatus } from '#libs/database';

/** The ledger's word on a packet as gateways read it. */
export function packetStatusOf(status: PacketLedgerStatus): PacketStatus {
  if (status.status === 'pending') return { status: 'pending', acceptedAtMs: status.acceptedAtMs };
  if (status.status !== 'credited') return { status: status.status };
  return {
    status: 'credited',
    packetId: String(status.packetId),
    eventId: String(status.eventId),
    sponsorNo: status.sponsorNo,
    sponsor: { id: status.sponsorId, name: status.sponsorName },
    epoch: status.epoch,
    amountFen: status.amountFen,
    portions: status.sharePortions,
    atMs: status.grantedAtMs,
  };
}

export function historyOf(packets: readonly GrantRecord[], nextCursor: string | undefined, asOfMs: number): History {
  return {
    packets: packets.map((grant) => ({
      packetId: String(grant.packetId),
      eventId: String(grant.eventId),
      sponsor: { id: grant.sponsorId, name: grant.sponsorName },
      amountFen: grant.amountFen,
      at: isoOf(grant.grantedAtMs),
    })),
    ...(nextCursor === undefined ? {} : { nextCursor }),
    asOf: isoOf(asOfMs),
  };
}

export function walletOf({ balanceFen, asOfMs }: { balanceFen: number; asOfMs: number }): Wallet {
  return { balanceFen, asOf: isoOf(asOfMs) };
}
