import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PaceController, type PacedLoad, stretchFor } from './pace-controller.ts';

const load = (changes: Partial<PacedLoad> = {}): PacedLoad => ({
  intervalMs: 1000,
  activeUsers: 0,
  arrivedUsers: 0,
  earlyShakes: 0,
  stretchMax: 6.85,
  ...changes,
});

/** Half a second. */
const step = (pace: PaceController, utilisation: number, shakes: number, ...loads: PacedLoad[]): void =>
  pace.step({ elapsedMs: 500, utilisation, shakes, loads });

describe('the pace', () => {
  it('is 1 until the process was busy enough to tell its capacity, and while it is enough', () => {
    const pace = new PaceController();
    step(pace, 0.05, 50, load({ activeUsers: 1e6 }));
    expect([pace.stretch, pace.capacityPerSecond]).toEqual([1, undefined]);
    step(pace, 0.5, 250, load({ activeUsers: 500 }));
    expect([pace.stretch, pace.capacityPerSecond]).toEqual([1, 1000]);
  });

  it('goes up at once to where the active users bring 88 % of the capacity, and gently down', () => {
    const pace = new PaceController();
    step(pace, 0.5, 250, load({ activeUsers: 500 }));
    step(pace, 0.9, 450, load({ activeUsers: 3000 }));
    expect(pace.stretch).toBeCloseTo(3 / 0.88, 5);
    step(pace, 0.3, 150, load({ activeUsers: 300 }));
    expect(pace.stretch).toBeCloseTo((3 / 0.88) * 0.85, 5);
    for (let i = 0; i < 12; i++) step(pace, 0.3, 150, load({ activeUsers: 300 }));
    expect(pace.stretch).toBe(1);
  });

  it('makes room for shakes that come early all the same, but never gives all away', () => {
    const pace = new PaceController();
    for (let i = 0; i < 20; i++) step(pace, 0.88, 440, load({ activeUsers: 2000, earlyShakes: 100 }));
    expect(pace.stretch).toBeCloseTo(2 / (0.88 - 0.2), 1);
    for (let i = 0; i < 20; i++) step(pace, 0.88, 440, load({ activeUsers: 1000, earlyShakes: 440 }));
    expect(pace.stretch).toBeLessThanOrEqual(5.1);
  });

  it('while it is behind, counts on newcomers and calls nobody before they are in; not for ever', () => {
    const pace = new PaceController();
    const arriving = load({ activeUsers: 1000, arrivedUsers: 500 });
    step(pace, 1, 500, arriving);
    expect(pace.isBehind).toBe(true);
    expect(pace.stretch).toBeGreaterThan(2);
    expect(pace.deferMs).toBeGreaterThan(1000);
    for (let i = 0; i < 20; i++) step(pace, 1, 500, load({ activeUsers: 1000 }));
    expect(pace.deferMs).toBeLessThan(1);
    step(pace, 0.9, 450, arriving);
    expect([pace.isBehind, pace.deferMs]).toEqual([false, 0]);
  });

  it('trims what the figures do not tell, once the pace is steady', () => {
    const pace = new PaceController();
    // half of the shakes of each user do not come: 2 000 users bring 440 a second where 880 were meant
    step(pace, 0.88, 440, load({ activeUsers: 2000 }));
    for (let i = 0; i < 200; i++) step(pace, 0.44, 220, load({ activeUsers: 2000 }));
    const first = 2 / 0.88;
    expect(pace.stretch).toBeLessThan(first * 0.8);
    expect(pace.stretch).toBeGreaterThanOrEqual(first * 0.74);
  });

  it('says when even the longest intervals are not enough, and only then', () => {
    const pace = new PaceController();
    for (let i = 0; i < 10; i++) step(pace, 1, 500, load({ activeUsers: 10_000 }));
    expect([pace.stretch, pace.isOverloaded]).toEqual([6.85, true]);
    step(pace, 0.9, 450, load({ activeUsers: 10_000 }));
    expect(pace.isOverloaded).toBe(false);
    const other = new PaceController();
    for (let i = 0; i < 10; i++) step(other, 1, 500, load({ activeUsers: 3000 }));
    expect(other.isOverloaded).toBe(false);
  });

  it('leaves shakes alone in a process that is busy with something else', () => {
    const pace = new PaceController();
    for (let i = 0; i < 5; i++) step(pace, 0.6, 2, load({ activeUsers: 30, intervalMs: 50 }));
    expect(pace.stretch).toBe(1);
    for (let i = 0; i < 5; i++) step(pace, 1, 2, load({ activeUsers: 10, intervalMs: 50 }));
    expect(pace.stretch).toBe(1);
  });

  it('finds out a capacity that it took for too small: when its pace leaves the loop idle', () => {
    const pace = new PaceController();
    for (let i = 0; i < 5; i++) step(pace, 1, 250, load({ activeUsers: 2000 }));
    expect(pace.stretch).toBeGreaterThan(3);
    for (let i = 0; i < 30; i++) step(pace, 0.2, 1000 / pace.stretch, load({ activeUsers: 2000 }));
    expect(pace.stretch).toBe(1);
  });

  it('tells its state', () => {
    const pace = new PaceController();
    step(pace, 0.5, 250, load({ activeUsers: 500 }));
    expect(pace.sample()).toEqual({
      stretch: 1,
      deferMs: 0,
      utilisation: 0.5,
      activeUsers: 500,
      capacityPerSecond: 1000,
      isOverloaded: false,
    });
  });

  it('of several events: none is stretched beyond its bound, and together they bring the budget', () => {
    const anyLoad = fc.record({
      intervalMs: fc.integer({ min: 100, max: 10_000 }),
      activeUsers: fc.nat(100_000),
      stretchMax: fc.double({ min: 1, max: 20, noNaN: true }),
    });
    const budgets = fc.double({ min: 1, max: 1e5, noNaN: true });
    fc.assert(
      fc.property(fc.array(anyLoad, { minLength: 1, maxLength: 6 }), budgets, (loads, budget) => {
        const events = loads.map((one) => load(one));
        const stretch = stretchFor(events, budget);
        const broughtAt = (m: number): number =>
          events.reduce((sum, one) => sum + (one.activeUsers * 1000) / one.intervalMs / Math.min(m, one.stretchMax), 0);
        if (stretch === 1) expect(broughtAt(1)).toBeLessThanOrEqual(budget * (1 + 1e-9));
        else if (stretch === Number.POSITIVE_INFINITY) expect(broughtAt(stretch)).toBeGreaterThanOrEqual(budget);
        else expect(broughtAt(stretch) / budget).toBeCloseTo(1, 6);
      }),
    );
    expect(stretchFor([], 100)).toBe(1);
  });
});
