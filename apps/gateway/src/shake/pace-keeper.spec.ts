import { describe, expect, it } from 'vitest';
import { PaceController, type PaceFigures } from './pace-controller.ts';
import { PaceKeeper } from './pace-keeper.ts';
import { ShakeCounters } from './shake-counters.ts';

describe('the keeper of the pace', () => {
  it('tells the controller, step by step, what was measured since the step before', () => {
    const counters = new ShakeCounters();
    const controller = new PaceController();
    const seen: PaceFigures[] = [];
    controller.step = (figures) => void seen.push(figures);
    const load = { intervalMs: 1000, activeUsers: 7, arrivedUsers: 7, earlyShakes: 0, stretchMax: 6 };
    counters.results.miss = 100;
    const keeper = new PaceKeeper({ controller, counters, takeLoads: () => [load] });
    keeper.start();
    counters.results.miss += 5;
    counters.results.rest += 2;
    counters.refused += 1;
    keeper.step();
    keeper.step();
    expect(seen.map(({ shakes, loads }) => [shakes, loads])).toEqual([
      [8, [load]],
      [0, [load]],
    ]);
    for (const { utilisation, elapsedMs } of seen) {
      expect(utilisation).toBeGreaterThanOrEqual(0);
      expect(utilisation).toBeLessThanOrEqual(1);
      expect(elapsedMs).toBeGreaterThanOrEqual(0);
    }
  });
});
