import { expect, it } from 'vitest';
import { WaitingWinners } from './waiting-winners.ts';

const user = (low: number, high = 7) => ({ low, high });

it('waiting winners lapse in the order in which they came, are few, and are each there once', () => {
  const waiting = new WaitingWinners();
  waiting.add(user(1), 0);
  waiting.add(user(-1), 1000);
  waiting.add(user(1), 5000);
  expect([waiting.size, waiting.has(user(1)), waiting.has(user(1, -7))]).toEqual([2, true, false]);
  waiting.dropLapsed(12_000);
  expect([waiting.has(user(1)), waiting.has(user(-1))]).toEqual([false, true]);
  waiting.delete(user(-1));
  expect(waiting.size).toBe(0);
  for (let low = 0; low < 1000; low++) waiting.add(user(low), 0);
  expect(waiting.size).toBe(64);
});
