import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { luckKeyOf, luckOf, shakeSlot, startOffsetMs, type UserHash, userHashKeyOf, userHashOf } from './luck.ts';
import { priorityMinute, priorityOf } from './user-priority.ts';

// All statistics below are of fixed keys, users and slots: they come out the same on every run.
const secret = Buffer.alloc(32, 0x5a);
const userKey = userHashKeyOf(secret);
const luckKey = luckKeyOf(secret, 1);
const users = Array.from({ length: 2000 }, (_, i) => userHashOf(userKey, `user-${i}`));
const firstSlot = 1_700_000_000;

const anyUser: fc.Arbitrary<UserHash> = fc.string().map((userId) => userHashOf(userKey, userId));

/** Chi-square of counts against equal shares; its mean is cells − 1, and under 0.1 % of fair draws reach `chiSquareMax`. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
/** The 99.9 % quantile for 99 degrees of freedom. */
const chiSquareMax = 148.2;

function countCells(values: Iterable<number>, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (const value of values) counts[Math.floor(value * cells)]! += 1;
  return counts;
}

function correlation(pairs: readonly (readonly [number, number])[]): number {
  const mean = (list: number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
  const [xs, ys] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
  const [mx, my] = [mean(xs), mean(ys)];
  const covariance = mean(pairs.map(([x, y]) => (x - mx) * (y - my)));
  return covariance / Math.sqrt(mean(xs.map((x) => (x - mx) ** 2)) * mean(ys.map((y) => (y - my) ** 2)));
}

describe('luck', () => {
  it('is in [0, 1), and the same whenever and wherever it is asked', () => {
    fc.assert(
      fc.property(anyUser, fc.maxSafeInteger(), fc.nat(), (user, slot, eventId) => {
        const luck = luckOf(luckKeyOf(secret, eventId), user, slot);
        expect(luck >= 0 && luck < 1).toBe(true);
        expect(luckOf(luckKeyOf(secret, eventId), { ...user }, slot)).toBe(luck);
      }),
    );
  });

  it('is uniform over users in one slot and over slots of one user', () => {
    const lots = Array.from({ length: 100_000 }, (_, i) => i);
    const ofUsers = lots.map((i) => luckOf(luckKey, userHashOf(userKey, `u${i}`), firstSlot));
    const ofSlots = lots.map((i) => luckOf(luckKey, users[0]!, firstSlot + i));
    expect(chiSquare(countCells(ofUsers, 100))).toBeLessThan(chiSquareMax);
    expect(chiSquare(countCells(ofSlots, 100))).toBeLessThan(chiSquareMax);
  });

  it('of one slot tells nothing of the next: all pairs of neighbouring slots are alike', () => {
    const cells = new Array<number>(100).fill(0);
    for (const user of users) {
      for (let slot = firstSlot; slot < firstSlot + 50; slot++) {
        const [now, next] = [luckOf(luckKey, user, slot), luckOf(luckKey, user, slot + 1)];
        cells[Math.floor(now * 10) * 10 + Math.floor(next * 10)]! += 1;
      }
    }
    expect(chiSquare(cells)).toBeLessThan(chiSquareMax);
  });

  it('of one event tells nothing of another, nor does one user’s of another’s', () => {
    const other = luckKeyOf(secret, 2);
    const events = users.map((user) => [luckOf(luckKey, user, firstSlot), luckOf(other, user, firstSlot)] as const);
    const pairs = users.map((user, i) => {
      const neighbour = users[(i + 1) % users.length]!;
      return [luckOf(luckKey, user, firstSlot), luckOf(luckKey, neighbour, firstSlot)] as const;
    });
    // four standard deviations of the correlation of 2 000 independent pairs
    expect(Math.abs(correlation(events))).toBeLessThan(4 / Math.sqrt(2000));
    expect(Math.abs(correlation(pairs))).toBeLessThan(4 / Math.sqrt(2000));
  });

  it('slots whose numbers differ above 32 bits are different slots', () => {
    const lucks = [0, 2 ** 32, 2 ** 33, -(2 ** 32), -1].map((slot) => luckOf(luckKey, users[0]!, slot));
    expect(new Set(lucks).size).toBe(5);
  });

  it('both halves of a user hash count', () => {
    const hashes = [
      { low: 1, high: 2 },
      { low: 1, high: 3 },
      { low: 2, high: 2 },
      { low: 2, high: 1 },
    ];
    expect(new Set(hashes.map((user) => luckOf(luckKey, user, firstSlot))).size).toBe(4);
    expect(new Set(hashes.map((user) => startOffsetMs(1, user, 2 ** 40))).size).toBe(4);
    expect(new Set(hashes.map((user) => priorityOf(user, 1))).size).toBe(4);
  });

  it('user hashes do not collide among many similar ids, and depend on the key', () => {
    const hashes = Array.from({ length: 50_000 }, (_, i) => userHashOf(userKey, `user-${i}`));
    expect(new Set(hashes.map(({ low, high }) => `${low},${high}`)).size).toBe(50_000);
    expect(userHashOf(userHashKeyOf(Buffer.alloc(32, 1)), 'alice')).not.toEqual(userHashOf(userKey, 'alice'));
  });
});

describe('shake slots', () => {
  it('shakes within one interval of the user’s own offset share a slot, the next interval is the next slot', () => {
    const anyNow = fc.integer({ min: 0, max: 2 ** 45 });
    fc.assert(
      fc.property(anyNow, fc.nat(600_000), fc.integer({ min: 10, max: 60_000 }), (nowMs, offsetMs, intervalMs) => {
        const slot = shakeSlot(nowMs, offsetMs, intervalMs);
        const beginsAtMs = offsetMs + slot * intervalMs;
        expect(nowMs >= beginsAtMs && nowMs < beginsAtMs + intervalMs).toBe(true);
        expect(shakeSlot(beginsAtMs + intervalMs, offsetMs, intervalMs)).toBe(slot + 1);
      }),
    );
  });
});

describe('start offsets', () => {
  it('are whole milliseconds within the stagger, none without one', () => {
    fc.assert(
      fc.property(anyUser, fc.nat(), fc.nat(600_000), (user, eventId, staggerMs) => {
        const offsetMs = startOffsetMs(eventId, user, staggerMs);
        expect(Number.isInteger(offsetMs) && offsetMs >= 0 && offsetMs <= Math.max(0, staggerMs - 1)).toBe(true);
      }),
    );
  });

  it('spread users evenly, differently in each event, and have nothing to do with luck', () => {
    const many = Array.from({ length: 50_000 }, (_, i) => userHashOf(userKey, `u${i}`));
    expect(
      chiSquare(
        countCells(
          many.map((user) => startOffsetMs(1, user, 1000) / 1000),
          100,
        ),
      ),
    ).toBeLessThan(chiSquareMax);
    const events = many.map((user) => [startOffsetMs(1, user, 1000), startOffsetMs(2, user, 1000)] as const);
    const luck = many.map((user) => [startOffsetMs(1, user, 1000), luckOf(luckKey, user, firstSlot)] as const);
    expect(Math.abs(correlation(events))).toBeLessThan(4 / Math.sqrt(50_000));
    expect(Math.abs(correlation(luck))).toBeLessThan(4 / Math.sqrt(50_000));
  });
});

describe('user priority', () => {
  it('is in [0, 1), stays for a minute and is dealt anew in the next', () => {
    fc.assert(
      fc.property(anyUser, fc.integer({ min: 0, max: 2 ** 45 }), (user, nowMs) => {
        const minute = priorityMinute(nowMs);
        const priority = priorityOf(user, minute);
        expect(priority >= 0 && priority < 1).toBe(true);
        expect(minute * 60_000 <= nowMs && nowMs < (minute + 1) * 60_000).toBe(true);
        expect(priorityOf(user, minute + 1)).not.toBe(priority);
      }),
    );
  });

  it('a share p of the users is below p in every minute, and being there once says nothing about the next', () => {
    const minutes = Array.from({ length: 50 }, (_, i) => 28_333_333 + i);
    for (const minute of minutes) {
      const admitted = users.filter((user) => priorityOf(user, minute) < 0.3).length;
      // five standard deviations around 30 % of 2 000
      expect(Math.abs(admitted - 600)).toBeLessThan(5 * Math.sqrt(2000 * 0.3 * 0.7));
    }
    const pairs = users.flatMap((user) => minutes.map((m) => [priorityOf(user, m), priorityOf(user, m + 1)] as const));
    expect(Math.abs(correlation(pairs))).toBeLessThan(4 / Math.sqrt(pairs.length));
  });

  it('has nothing to do with luck: thinning by it leaves those admitted as lucky as the rest', () => {
    const pairs = users.map((user) => [priorityOf(user, 28_333_333), luckOf(luckKey, user, 28_333_333)] as const);
    expect(Math.abs(correlation(pairs))).toBeLessThan(4 / Math.sqrt(pairs.length));
  });
});
