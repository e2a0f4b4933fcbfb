import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { luckKeyOf, luckOf, type UserHash, userHashKeyOf, userHashOf } from './luck.ts';
import { isTurn, latestTurn, longestGap, nextTurn, slotShift, stretchMaxOf, turnPhase } from './pacing.ts';

const secret = Buffer.alloc(32, 0x5a);
const userKey = userHashKeyOf(secret);
const hashOf = (i: number): UserHash => userHashOf(userKey, `user-${i}`);

const anyPhase = fc.integer({ min: 0, max: 0xffff_ffff });
const anySlot = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
const anyStretch = fc.double({ min: 1, max: 80, noNaN: true });
const twoStretches = fc.tuple(anyStretch, anyStretch).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

function turnsIn(phase: number, from: number, count: number, stretch: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i).filter((slot) => isTurn(phase, slot, stretch));
}

describe('turns', () => {
  it('unpaced, are every slot', () => {
    fc.assert(
      fc.property(anyPhase, anySlot, (phase, slot) => {
        expect([latestTurn(phase, slot, 1), nextTurn(phase, slot, 1), longestGap(1)]).toEqual([slot, slot + 1, 1]);
      }),
    );
  });

  it('are one slot in m: over any n slots the count differs from n/m by less than the logarithm allows', () => {
    fc.assert(
      fc.property(anyPhase, anySlot, anyStretch, (phase, slot, stretch) => {
        const slots = 2000;
        const turns = turnsIn(phase, slot, slots, stretch).length;
        // discrepancy of the golden sequence (Kuipers and Niederreiter, ch. 2, th. 3.4): below 3 + ln n / ln golden ratio
        expect(Math.abs(turns - slots / stretch)).toBeLessThan(3 + Math.log(slots) / Math.log(1.618));
      }),
      { numRuns: 300 },
    );
  });

  it('lie at most three different gaps apart, none longer than longestGap, and that is at most 2 m', () => {
    fc.assert(
      fc.property(anyPhase, anySlot, anyStretch, (phase, slot, stretch) => {
        const turns = turnsIn(phase, slot, 1500, stretch);
        const gaps = new Set(turns.slice(1).map((turn, i) => turn - turns[i]!));
        expect(gaps.size).toBeLessThanOrEqual(3);
        expect(Math.max(...gaps)).toBeLessThanOrEqual(longestGap(stretch));
        expect(longestGap(stretch)).toBeLessThanOrEqual(Math.max(1, 2 * stretch));
      }),
      { numRuns: 300 },
    );
  });

  it('of a larger stretch are among those of a smaller one', () => {
    fc.assert(
      fc.property(anyPhase, anySlot, twoStretches, (phase, slot, [small, large]) => {
        const few = turnsIn(phase, slot, 300, large);
        expect(few.every((turn) => isTurn(phase, turn, small))).toBe(true);
      }),
    );
  });

  it('the latest and the next are the neighbours of a slot', () => {
    fc.assert(
      fc.property(anyPhase, anySlot, anyStretch, (phase, slot, stretch) => {
        const [latest, next] = [latestTurn(phase, slot, stretch), nextTurn(phase, slot, stretch)];
        expect(turnsIn(phase, latest, next - latest + 1, stretch)).toEqual([latest, next]);
        expect(latest <= slot && slot < next).toBe(true);
        expect(next - latest).toBeLessThanOrEqual(longestGap(stretch));
      }),
    );
  });

  it('over gateways of any stretches give no more draws than the most generous one gives alone', () => {
    // a user hops between gateways as it likes, shakes as often as it likes, while each changes its stretch: [slots on, stretch]
    const hops = fc.array(fc.tuple(fc.nat(3), anyStretch), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(anyPhase, anySlot, hops, (phase, from, visits) => {
        const generous = Math.min(...visits.map(([, stretch]) => stretch));
        const drawn = new Set<number>();
        let slot = from;
        for (const [on, stretch] of visits) {
          slot += on;
          drawn.add(latestTurn(phase, slot, stretch));
        }
        const first = Math.min(...drawn);
        expect(drawn.size).toBeLessThanOrEqual(turnsIn(phase, first, slot - first + 1, generous).length);
      }),
    );
  });

  it('stretchMaxOf is the largest stretch whose gaps fit', () => {
    for (let gapMax = 1; gapMax <= 1000; gapMax++) {
      const stretch = stretchMaxOf(gapMax);
      expect(longestGap(stretch)).toBeLessThanOrEqual(gapMax);
      expect(longestGap(stretch * 1.002)).toBeGreaterThan(gapMax);
    }
    expect(stretchMaxOf(9)).toBeCloseTo(6.854, 1);
  });
});

describe('where a user stands', () => {
  // fixed users: the figures below come out the same on every run
  const users = Array.from({ length: 40_000 }, (_, i) => hashOf(i));

  it('phases and grids are uniform over users, free of each other and of luck, and differ from event to event', () => {
    const luckKey = luckKeyOf(secret, 1);
    const cells = new Array<number>(64).fill(0);
    const withLuck = new Array<number>(64).fill(0);
    for (const user of users) {
      const phase = Math.floor((turnPhase(1, user) / 2 ** 32) * 8);
      const grid = Math.floor(slotShift(1, user) * 8);
      cells[phase * 8 + grid]! += 1;
      withLuck[phase * 8 + Math.floor(luckOf(luckKey, user, 1_000) * 8)]! += 1;
    }
    // chi-square with 63 degrees of freedom: 103.4 is its 99.9 % quantile
    for (const counts of [cells, withLuck])
      expect(counts.reduce((sum, count) => sum + (count - 625) ** 2 / 625, 0)).toBeLessThan(103.4);
    const same = users.filter((user) => turnPhase(1, user) === turnPhase(2, user)).length;
    expect(same).toBe(0);
  });

  it('at any time one user in m has a turn: stretching thins a crowd evenly', () => {
    for (const stretch of [1.3, 2, 3.41, 6.8]) {
      for (const slot of [0, 1, 2, 1000, 1001]) {
        const share = users.filter((user) => isTurn(turnPhase(1, user), slot, stretch)).length / users.length;
        // four standard deviations
        const p = 1 / stretch;
        expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / users.length));
      }
    }
  });
});
