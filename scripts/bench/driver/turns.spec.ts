import { expect, test } from 'vitest';
import { turnAt } from './turns.ts';

test('everybody shakes in every event once before anybody shakes there again', () => {
  const [users, events] = [640, 3];
  for (const first of [0, users * events, 5 * users * events]) {
    const seen = new Set(
      Array.from({ length: users * events }, (_, at) => {
        const { user, event } = turnAt(first + at, users, events);
        return `${user}/${event}`;
      }),
    );
    expect(seen.size).toBe(users * events);
  }
});

test('the same user comes back to an event only after a whole round, whatever the number of users', () => {
  const [users, events] = [1000, 8];
  const lastAt = new Map<string, number>();
  let shortest = Number.POSITIVE_INFINITY;
  for (let at = 0; at < 5 * users * events; at++) {
    const { user, event } = turnAt(at, users, events);
    const key = `${user}/${event}`;
    if (lastAt.has(key)) shortest = Math.min(shortest, at - lastAt.get(key)!);
    lastAt.set(key, at);
  }
  expect(shortest).toBeGreaterThan(0.9 * users * events);
});
