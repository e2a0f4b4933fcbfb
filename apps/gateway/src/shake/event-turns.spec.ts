import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestGap, userHashKeyOf, userHashOf } from '#libs/domain';
import { EventTurns, stretchMaxAt } from './event-turns.ts';
import { TurnBook } from './turn-book.ts';

const startsAtMs = 1_800_000_000_000;
const user = { low: 0x1234567, high: 0x7654321 };
const anyUser = fc.record({ low: fc.integer(), high: fc.integer() });
const turnsOf = (shakeIntervalMs: number, stretch = 1, usersKept = 64): EventTurns => {
  const turns = new EventTurns({ id: 1, startsAtMs, shakeIntervalMs }, new TurnBook(usersKept));
  turns.tick(startsAtMs, stretch, false);
  return turns;
};

describe('turns at a gateway', () => {
  it('unpaced, a client that obeys is called into every slot, once, never before its time', () => {
    fc.assert(
      fc.property(anyUser, fc.integer({ min: 100, max: 5000 }), fc.nat(250), (someone, intervalMs, lateMs) => {
        const turns = turnsOf(intervalMs);
        let nowMs = startsAtMs;
        const drawn: number[] = [];
        for (let shakes = 0; shakes < 30; shakes++) {
          turns.arrive(someone, nowMs);
          expect([turns.isEarly, turns.isDrawn]).toEqual([false, false]);
          turns.draw();
          drawn.push(turns.turn);
          nowMs += turns.nextShakeMs(0) + Math.min(lateMs, intervalMs * 0.25);
        }
        expect(drawn.map((turn) => turn - drawn[0]!)).toEqual(drawn.map((_, i) => i));
      }),
    );
  });

  it('a turn is drawn once, whenever and however often it is asked for, and told the same next turn', () => {
    const turns = turnsOf(1000, 3.4);
    turns.arrive(user, startsAtMs + 10_000);
    const { turn } = turns;
    turns.draw();
    const nextAtMs = startsAtMs + 10_000 + turns.nextShakeMs(0);
    for (let nowMs = startsAtMs + 10_100; nowMs < nextAtMs - 700; nowMs += 100) {
      turns.arrive(user, nowMs);
      expect([turns.isDrawn, turns.isEarly, turns.turn]).toEqual([true, true, turn]);
      expect(Math.abs(nowMs + turns.nextShakeMs(0) - nextAtMs)).toBeLessThan(600);
    }
    turns.arrive(user, nextAtMs);
    expect([turns.isDrawn, turns.isEarly]).toEqual([false, false]);
  });

  it('one who comes late is decided by the latest turn: it loses nothing', () => {
    const turns = turnsOf(1000, 6);
    turns.arrive(user, startsAtMs + 20_000);
    turns.draw();
    const nextMs = startsAtMs + 20_000 + turns.nextShakeMs(0);
    turns.arrive(user, nextMs + 1500);
    expect([turns.isDrawn, turns.isEarly]).toEqual([false, false]);
  });

  it('a change of the pace gives no turn twice, and nobody who obeys is early for it', () => {
    const stretches = fc.array(fc.tuple(fc.double({ min: 1, max: 6.8, noNaN: true }), fc.nat(4000)), { maxLength: 60 });
    fc.assert(
      fc.property(anyUser, stretches, (someone, steps) => {
        const turns = turnsOf(1000);
        const drawn: number[] = [];
        let nowMs = startsAtMs;
        for (const [stretch, restMs] of steps) {
          turns.tick(nowMs, stretch, false);
          turns.arrive(someone, nowMs);
          expect(turns.isEarly).toBe(false);
          if (!turns.isDrawn) {
            turns.draw();
            drawn.push(turns.turn);
          }
          nowMs += turns.nextShakeMs(restMs);
        }
        expect(drawn).toEqual([...new Set(drawn)].sort((a, b) => a - b));
      }),
    );
  });

  it('nobody is told to wait longer than ten seconds, nor waits longer from turn to turn, however the pace changes', () => {
    const interval = fc.integer({ min: 50, max: 5000 });
    const steps = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(5000)), { maxLength: 60 });
    fc.assert(
      fc.property(anyUser, interval, steps, (someone, intervalMs, course) => {
        const turns = turnsOf(intervalMs);
        const stretchMax = stretchMaxAt(intervalMs);
        let nowMs = startsAtMs;
        let drawnAtMs = nowMs;
        for (const [part, restMs] of course) {
          turns.tick(nowMs, 1 + part * (stretchMax - 1), false);
          turns.arrive(someone, nowMs);
          if (!turns.isDrawn) {
            // from the slot that was drawn to the arrival: a turn may be drawn late in its slot
            expect(nowMs - drawnAtMs).toBeLessThanOrEqual(10_000 + intervalMs);
            turns.draw();
            drawnAtMs = nowMs;
          }
          const waitMs = turns.nextShakeMs(restMs);
          expect(waitMs).toBeGreaterThan(0);
          expect(waitMs).toBeLessThanOrEqual(10_000);
          nowMs += waitMs;
        }
      }),
    );
  });

  it('an event whose own interval is long is not paced, and its own interval is kept', () => {
    expect([1000, 2000, 3000, 5000, 60_000].map((ms) => Math.round(stretchMaxAt(ms) * 10) / 10)).toEqual([
      6.8, 2.6, 1.6, 1, 1,
    ]);
    for (const ms of [50, 100, 250, 1000, 3000]) expect((longestGap(stretchMaxAt(ms)) + 0.7) * ms).toBeLessThan(10_001);
    const turns = turnsOf(60_000);
    turns.arrive(user, startsAtMs + 600_000);
    turns.draw();
    expect(turns.nextShakeMs(3000)).toBeLessThan(102_000);
  });

  it('a crowd that shakes at one instant comes back spread over time', () => {
    const turns = turnsOf(1000, 1, 2 ** 16);
    const key = userHashKeyOf(Buffer.alloc(32, 1));
    const bins = new Array<number>(10).fill(0);
    for (let no = 0; no < 10_000; no++) {
      const someone = userHashOf(key, `user-${no}`);
      turns.arrive(someone, startsAtMs);
      turns.draw();
      // second shake: within the first slot of the user's own grid and what is left of the one it came in
      let nowMs = startsAtMs + turns.nextShakeMs(0);
      turns.arrive(someone, nowMs);
      nowMs += turns.nextShakeMs(0);
      bins[Math.floor((nowMs - startsAtMs) / 100) % 10]! += 1;
    }
    // chi-square with 9 degrees of freedom: 27.9 is its 99.9 % quantile (fixed users, so the same on every run)
    expect(bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(27.9);
  });

  it('counts early shakes and users for the pace', () => {
    const turns = turnsOf(1000);
    for (let i = 0; i < 4; i++) {
      turns.arrive(user, startsAtMs + 5000 + i);
      turns.nextShakeMs(0);
    }
    expect(turns.takeLoad()).toMatchObject({ intervalMs: 1000, activeUsers: 1, arrivedUsers: 1, earlyShakes: 3 });
    expect(turns.takeLoad()).toMatchObject({ arrivedUsers: 0, earlyShakes: 0 });
  });
});
