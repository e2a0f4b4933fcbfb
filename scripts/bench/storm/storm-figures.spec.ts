import { expect, it } from 'vitest';
import type { CrowdOpen } from './sdk-crowd.ts';
import { type Outage, stormFigures } from './storm-figures.ts';
import type { SentRequest } from './transport.ts';

const outage: Outage = { fromMs: 0, lostAtMs: 10_000, backAtMs: 40_000, toMs: 70_000 };
const every = (ms: number, fromMs: number, toMs: number): number[] =>
  Array.from({ length: Math.floor((toMs - fromMs) / ms) }, (_, no) => fromMs + no * ms);
const shakes = (times: readonly number[]): SentRequest[] =>
  times.map((sentAtMs) => ({ route: 'shake', sentAtMs, status: 200 }));
const openedAt = (times: readonly number[], status = 200): SentRequest[] =>
  times.map((sentAtMs) => ({ route: 'open', sentAtMs, status }));
const credited = (times: readonly number[]): CrowdOpen[] =>
  times.map((endedAtMs) => ({
    userName: 'u',
    packetId: '1',
    ticket: 't',
    wonAtMs: endedAtMs,
    endedAtMs,
    outcome: 'credited',
  }));

it('finds the highest second since the loss, over the mean before it', () => {
  const sent = [...shakes(every(10, 0, 70_000)), ...openedAt(every(10, 41_000, 42_000))];
  const { offered, money } = stormFigures(sent, credited(every(100, 0, 10_000)), outage);
  expect(offered).toEqual({ before: 100, highest: 200, ratio: 2 });
  expect(money.highest).toBe(100);
});

it('is normal from when opens are credited as before and none is refused', () => {
  const before = every(100, 0, 10_000);
  const after = every(100, 44_000, 70_000);
  const sent = openedAt([...before, ...after]);
  const found = stormFigures(sent, credited([...before, ...after]), outage);
  // half a second of the first window may be missing
  expect(found.normalAfterMs).toBeGreaterThanOrEqual(3000);
  expect(found.normalAfterMs).toBeLessThanOrEqual(4000);
  expect(found.creditedFirstSeconds.slice(3, 6)).toEqual([0, 10, 10]);
  const refused = stormFigures([...sent, ...openedAt([45_000], 503)], credited([...before, ...after]), outage);
  expect(refused.normalAfterMs).toBeGreaterThan(4900);
  expect(refused.refused).toEqual({ during: 0, after: 1 });
  expect(stormFigures(sent, credited(before), outage).normalAfterMs).toBeUndefined();
});
