import type { CreditedPacket } from '#libs/contracts';

/** A credited packet without the client's state, which differs from answer to answer. */
export type Credited = Omit<CreditedPacket, 'state'>;

/** Credited packets remembered at most, about 500 bytes each; at least half as many of the latest are. */
const creditedMax = 50_000;

interface KnownCredit {
  readonly userId: string;
  readonly packet: Credited;
  readonly sponsorNo: number;
  /** Of the ticket that was credited. */
  readonly epoch: number;
}

/**
 * Packets that were credited, as far as this process heard of them lately. Credited is final (invariant 6), so it is told again
 * without asking anybody, to its owner alone.
 */
export class CreditedPackets {
  /**
   * The latest ones, and those before them: both halves leave at once. Taking the oldest entry of one Map away with each new one would have
   * its iterator skip ever more deleted ones, 38 µs each in the end.
   */
  private latest = new Map<string, KnownCredit>();
  private before: ReadonlyMap<string, KnownCredit> = new Map();

  /** `epoch`: of the ticket that is asked about; undefined: any. Another ticket for the same packet has an outcome of its own (invariant 7). */
  get(packetId: string, userId: string, epoch: number | undefined): KnownCredit | undefined {
    const credit = this.latest.get(packetId) ?? this.before.get(packetId);
    return credit?.userId === userId && (epoch === undefined || credit.epoch === epoch) ? credit : undefined;
  }

  add(credit: KnownCredit): void {
    if (this.latest.size >= creditedMax / 2) {
      this.before = this.latest;
      this.latest = new Map();
    }
    this.latest.set(credit.packet.packetId, credit);
  }
}
