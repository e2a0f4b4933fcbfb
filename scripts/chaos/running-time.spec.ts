import { expect, it } from 'vitest';
import { RunningTime } from './running-time.ts';

// Proves that a stand-still costs no patience, and that time that is asked for often is time.
it('counts the time in which it was asked, and not that in which nobody could ask', () => {
  let nowMs = 0;
  const time = new RunningTime(() => nowMs);
  for (let step = 0; step < 10; step++) {
    nowMs += 200;
    expect(time.elapsedMs).toBe(nowMs);
  }
  nowMs += 60_000;
  expect([time.elapsedMs, time.stillMs]).toEqual([3000, 59_000]);
  nowMs += 500;
  expect([time.elapsedMs, time.stillMs]).toEqual([3500, 59_000]);
});
