import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Hand, PoolChance } from './pool-chance.ts';
import { tickMs } from './shake-rate.ts';

/** What is in hand as one block that ends late. */
class PlainHand implements Hand {
  constructor(public left: number) {}

  neededPerSecond(_nowMs: number, spreadMs: number): number {
    return (this.left * 1000) / spreadMs;
  }
}

/** Lets `perTick` shakes come in each tick. Returns what was issued per tick. */
function run(hand: PlainHand, ticks: number, perTick: number, luck: () => number, ratesKnown = true): number[] {
  const chance = new PoolChance(hand);
  chance.restocked(0);
  chance.tune(0, ratesKnown ? perTick * 10 : 0);
  return Array.from({ length: ticks }, (_, tick) => {
    const before = hand.left;
    for (let i = 0; i < perTick; i++) {
      if (hand.left === 0 || luck() >= chance.chance) continue;
      hand.left -= 1;
      chance.spend();
    }
    chance.tune((tick + 1) * tickMs, perTick * 10);
    return before - hand.left;
  });
}

/** Evenly spread, without a seed. */
function evenLuck(): () => number {
  let i = 0;
  return () => (i++ * 0.618033988749895) % 1;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe('the chance of a pool', () => {
  it('is 1 while fewer shake than there are packets in hand, so that a lone user wins, and 0 with nothing in hand', () => {
    for (const [left, expected] of [
      [1, 1],
      [0, 0],
    ] as const) {
      const chance = new PoolChance(new PlainHand(left));
      chance.restocked(0);
      chance.tune(0, 1);
      expect(chance.chance).toBe(expected);
    }
  });

  it('spreads what is in hand over about a second when many shake, and uses it up', () => {
    const hand = new PlainHand(2000);
    const issued = run(hand, 60, 2000, evenLuck());
    expect(issued[0]).toBeLessThanOrEqual(400);
    expect(sum(issued.slice(0, 5))).toBeLessThan(1700);
    expect(sum(issued.slice(0, 15))).toBeGreaterThan(1700);
    expect(hand.left).toBe(0);
  });

  it('meets a burst out of silence with a budget: the first tick issues no more than a fair part', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 5000 }), (left, perTick) => {
        const [first] = run(new PlainHand(left), 1, perTick, () => 0, false);
        // a restock is taken to be a second away until more is known: a tick's even part is a tenth
        expect(first).toBeLessThanOrEqual(Math.ceil(left * 0.2));
      }),
    );
  });

  it('never holds back for ever: any stock is used up when enough shake', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 500 }), (left, perTick) => {
        const hand = new PlainHand(left);
        run(hand, 100 + Math.ceil((4 * left) / perTick), perTick, evenLuck());
        expect(hand.left).toBe(0);
      }),
    );
  });

  it('learns how far apart restocks are, and does not wait for one that is overdue', () => {
    const chance = new PoolChance(new PlainHand(1000));
    for (let restock = 0; restock <= 20; restock++) chance.restocked(restock * 1800);
    chance.tune(36_000, 10_000);
    expect(chance.chance).toBeCloseTo(1000 / 1.8 / 10_000, 3);
    chance.tune(37_900, 10_000);
    expect(chance.chance).toBeCloseTo(1000 / 0.3 / 10_000, 3);
  });
});
