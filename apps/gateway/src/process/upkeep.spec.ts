import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Upkeep } from './upkeep.ts';

describe('upkeep', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  const upkeepOf = () => {
    const upkeep = new Upkeep(() => performance.now());
    const runs = { often: 0, seldom: 0 };
    upkeep.every(100, () => {
      runs.often += 1;
    });
    upkeep.every(500, () => {
      runs.seldom += 1;
    });
    return { upkeep, runs };
  };
  const callMany = (upkeep: Upkeep): void => {
    for (let i = 0; i < 64; i++) upkeep.keepUp();
  };

  it('runs chores by their timers, however many requests come', () => {
    const { upkeep, runs } = upkeepOf();
    upkeep.start();
    for (let step = 0; step < 100; step++) {
      vi.advanceTimersByTime(10);
      callMany(upkeep);
    }
    expect(runs).toEqual({ often: 10, seldom: 2 });
  });

  it('runs what is late from the requests when the timers do not come, at the same pace', () => {
    const { upkeep, runs } = upkeepOf();
    let nowMs = 0;
    const starved = new Upkeep(() => nowMs);
    starved.every(100, () => {
      runs.often += 1;
    });
    starved.every(500, () => {
      runs.seldom += 1;
    });
    starved.start();
    for (; nowMs < 5000; nowMs += 5) callMany(starved);
    expect(runs).toEqual({ often: 49, seldom: 9 });
    // held up altogether for a while: nothing is made up for
    nowMs += 3000;
    for (let i = 0; i < 20; i++) callMany(starved);
    expect(runs).toEqual({ often: 50, seldom: 10 });
    upkeep.stop();
    starved.stop();
  });

  it('runs nothing before the start and after the stop, and a chore that fails does not end the others', () => {
    const { upkeep, runs } = upkeepOf();
    callMany(upkeep);
    upkeep.start();
    upkeep.stop();
    vi.advanceTimersByTime(5000);
    callMany(upkeep);
    expect(runs).toEqual({ often: 0, seldom: 0 });
    const failing = new Upkeep(() => performance.now());
    failing.every(100, () => {
      throw new Error('a chore');
    });
    failing.every(100, () => {
      runs.often += 1;
    });
    failing.start();
    expect(() => vi.advanceTimersByTime(100)).toThrow('a chore');
    vi.advanceTimersByTime(1);
    expect(runs.often).toBe(1);
    failing.stop();
  });
});
