import type { UserHash } from '#libs/domain';

/** A winner comes back well within this: no client is told to wait longer than ten seconds. */
const waitMaxMs = 12_000;
/** Winners of one pool who wait: it takes a pool with next to no stock to have any. */
const waitingMax = 64;

/**
 * Users whose luck won a packet of a pool when this gateway had none in hand: the next one that comes is kept for them, and they get
 * it with their next shake. So a pool with fewer packets than gateways is won by the luckiest, not by whose gateway took them first,
 * and a gateway holds no packet of it on the mere chance that it may need one. Bounded; who does not come back lapses.
 */
export class WaitingWinners {
  /** When each lapses, in the order in which they came. */
  private readonly lapseAtMs = new Map<number, number>();

  get size(): number {
    return this.lapseAtMs.size;
  }

  has(user: UserHash): boolean {
    return this.lapseAtMs.has(keyOf(user));
  }

  add(user: UserHash, nowMs: number): void {
    if (this.lapseAtMs.size < waitingMax && !this.has(user)) this.lapseAtMs.set(keyOf(user), nowMs + waitMaxMs);
  }

  delete(user: UserHash): void {
    this.lapseAtMs.delete(keyOf(user));
  }

  dropLapsed(nowMs: number): void {
    for (const [key, lapseAtMs] of this.lapseAtMs) {
      if (lapseAtMs > nowMs) return;
      this.lapseAtMs.delete(key);
    }
  }
}

/** The leading 53 of 64 bits: that two winners share them does not happen. */
const keyOf = ({ low, high }: UserHash): number => high * 0x1_0000_0000 + (low >>> 0);
