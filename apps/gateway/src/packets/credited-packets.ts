import type { CreditedPacket } from '#libs/contracts';

/** A credited packet without the client's state, which differs from answer to answer. */
export type Credited = Omit<CreditedPacket, 'state'>;

/** Credited packets remembered, about 500 bytes each. */
const creditedMax = 50_000;

interface KnownCredit {
  readonly userId: string;
  readonly packet: Credited;
  readonly sponsorNo: number;
}

/**
 * Packets that were credited, as far as this process heard of them lately. Credited is final (invariant 6), so it is told again
 * without asking anybody, to its owner alone.
 */
export class CreditedPackets {
  private readonly credits = new Map<string, KnownCredit>();

  get(packetId: string, userId: string): KnownCredit | undefined {
    const credit = this.credits.get(packetId);
    return credit?.userId === userId ? credit : undefined;
  }

  add(userId: string, packet: Credited, sponsorNo: number): void {
    this.credits.delete(packet.packetId);
    this.credits.set(packet.packetId, { userId, packet, sponsorNo });
    if (this.credits.size > creditedMax) this.credits.delete(this.credits.keys().next().value!);
  }
}
