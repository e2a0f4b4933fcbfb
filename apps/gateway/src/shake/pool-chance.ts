import { tickMs } from './shake-rate.ts';

/** A tick may issue this many times its even part: room for chance, and a burst cannot drain all before it was seen. */
const budgetFactor = 2;
/** The budget saves up the even part of so many ticks, and a few packets: the luck of a small or slow pool is not evened out by it. */
const budgetTicks = 10;
const budgetSpare = 8;

/** What the chance of one pool is made from, per second. */
export interface ChanceFigures {
  /** Packets to be issued over all gateways. */
  readonly release: number;
  /** Shakes over all gateways of users who may win here; Infinity: not known. */
  readonly demand: number;
  /** Those of this gateway among them. */
  readonly own: number;
}

/**
 * The chance of one shake to win a packet of one pool, the same on all gateways: packets per second that should go out, over the
 * shakes per second that could take one. It is 1 when fewer shake than there are packets.
 */
export class PoolChance {
  private current = 0;
  private part = 0;
  private budget = budgetSpare;

  /** In [0, 1]. */
  get value(): number {
    return this.current;
  }

  tune({ release, demand, own }: ChanceFigures): void {
    this.current = release <= 0 ? 0 : demand > release ? release / demand : 1;
    this.part = (this.current * own * tickMs) / 1000;
  }

  /** Adds the budget of a tick. */
  deal(): void {
    this.budget = Math.min(this.budget + this.part * budgetFactor, this.part * budgetTicks + budgetSpare);
  }

  /** Takes one from the budget. False: no more in this tick. */
  spend(): boolean {
    if (this.budget < 1) return false;
    this.budget -= 1;
    return true;
  }
}
