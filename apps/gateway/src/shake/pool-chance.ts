import { tickMs } from './shake-rate.ts';

/** A tick may issue this many times its even part: room for chance, and a burst cannot drain all before it was seen. */
const budgetFactor = 2;
/** What is in hand is spread over the time to the next restock, within these bounds; an overdue restock is no reason to wait. */
const spreadMinMs = 300;
const spreadMaxMs = 2000;
/** A block about to end is issued over at least one tick. */
const endingSoonMs = tickMs;
/** Taken for the time between two restocks until it is known, and the weight of each that is seen. */
const gapFirstMs = 1000;
const gapWeight = 0.3;

/** What the chance is made from; see PoolHand. */
export interface Hand {
  neededPerSecond(nowMs: number, spreadMs: number, endingSoonMs: number): number;
}

/**
 * The chance of one shake to win a packet of one pool: what should leave the hand per second, over the shakes per second that could
 * take it. It is 1 when there is more in hand than there are such shakes, so a pool drains to its last packet. Times are
 * store-clock milliseconds.
 */
export class PoolChance {
  private value = 0;
  private budget = 0;
  private restockedAtMs: number | undefined;
  private gapMs = gapFirstMs;

  constructor(private readonly hand: Hand) {}

  /** In [0, 1]; 0 with nothing in hand, and when this tick may issue no more: then there is no budget. */
  get chance(): number {
    return this.budget > 0 ? this.value : 0;
  }

  /** Takes one from the tick's budget, when one was issued. */
  spend(): void {
    this.budget -= 1;
  }

  /** Blocks came: learns how far apart restocks are. */
  restocked(nowMs: number): void {
    if (this.restockedAtMs !== undefined) {
      const gapMs = Math.min(nowMs - this.restockedAtMs, spreadMaxMs);
      this.gapMs += gapWeight * (gapMs - this.gapMs);
    }
    this.restockedAtMs = nowMs;
  }

  /** Sets the chance, and the budget until the next tick. `shakesPerSecond`: of users who may win a packet of this pool. */
  tune(nowMs: number, shakesPerSecond: number): void {
    const needed = this.hand.neededPerSecond(nowMs, this.spreadMs(nowMs), endingSoonMs);
    this.value = shakesPerSecond > needed ? needed / shakesPerSecond : 1;
    this.budget = Math.ceil((needed * tickMs * budgetFactor) / 1000);
  }

  private spreadMs(nowMs: number): number {
    const dueMs = (this.restockedAtMs ?? nowMs) + this.gapMs;
    return Math.min(Math.max(dueMs - nowMs, spreadMinMs), spreadMaxMs);
  }
}
