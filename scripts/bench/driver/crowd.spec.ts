import { expect, test } from 'vitest';
import { Crowd } from './crowd.ts';

const plan = { users: 100, intervalMs: 1000, fullMs: 10_000, thinShare: 0.1, thinMs: 5000 };

/** Turns the clock by the millisecond; every shake is answered at once with this wait. */
function play(crowd: Crowd, fromMs: number, untilMs: number, waitMs: number, letter = 'm'): number[] {
  const shakes: number[] = [];
  for (let nowMs = fromMs; nowMs < untilMs; nowMs++) {
    crowd.wake(nowMs);
    for (let user = crowd.nextDue(); user !== undefined; user = crowd.nextDue()) {
      shakes.push(user);
      crowd.answered(user, nowMs, letter, waitMs);
    }
  }
  return shakes;
}

test('everybody shakes within the first interval, and again when told', () => {
  const crowd = new Crowd(plan, 0);
  crowd.begin(0);
  const shakes = play(crowd, 0, 1001, 2000);
  expect(new Set(shakes).size).toBe(100);
  expect(shakes).toHaveLength(100);
  expect(play(crowd, 1001, 2000, 2000)).toEqual([]);
  expect(play(crowd, 2000, 3002, 2000)).toHaveLength(100);
});

test('after its full time only a share of the users stays', () => {
  const crowd = new Crowd(plan, 0);
  crowd.begin(0);
  play(crowd, 0, 10_000, 1000);
  const late = play(crowd, 10_000, crowd.endMs, 1000);
  expect(Math.max(...late)).toBeLessThan(10);
  expect(late.length).toBeGreaterThanOrEqual(40);
});

test('the longest wait for a turn counts rests on the way, and those who still wait at the end', () => {
  const crowd = new Crowd({ ...plan, users: 1, thinMs: 0, thinShare: 1 }, 0, () => 0);
  crowd.begin(0);
  play(crowd, 0, 1, 1000);
  play(crowd, 1, 4000, 1000, 'r');
  play(crowd, 4000, 5000, 1000);
  expect(crowd.summary(5000).longestTurnMs).toBe(4000);
  expect(crowd.summary(9500).longestTurnMs).toBe(5500);
});

test('a period has its decided shakes, its rests and the mean of what was told', () => {
  const crowd = new Crowd({ ...plan, users: 2 }, 0, () => 0);
  crowd.begin(0);
  crowd.answered(0, 10, 'm', 100);
  crowd.answered(1, 20, 'r', 301);
  crowd.answered(0, 600, 'h', 500);
  const { periods, longestWaitToldMs } = crowd.summary(600);
  expect(periods).toEqual([
    { decided: 1, rests: 1, meanWaitMs: 201 },
    { decided: 1, rests: 0, meanWaitMs: 500 },
  ]);
  expect(longestWaitToldMs).toBe(500);
});

test('who is told no next shake is out, and waits for nothing', () => {
  const crowd = new Crowd({ ...plan, users: 1 }, 0, () => 0);
  crowd.begin(0);
  crowd.answered(0, 10, 'o', undefined);
  expect(crowd.summary(9000)).toMatchObject({ out: 1, longestTurnMs: 10 });
});
