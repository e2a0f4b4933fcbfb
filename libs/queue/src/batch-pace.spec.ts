import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BatchPace } from './batch-pace.ts';
import { MergingBatcher } from './merging-batcher.ts';

const limits = { itemsMax: 1024, callsMax: 2, itemsMin: 128, easyMs: 300, hardMs: 1500, outageMs: 5000 };
const stateOf = ({ batchItemsMax, callsInFlightMax }: BatchPace) => [batchItemsMax, callsInFlightMax];

// After an outage the first call is small and alone; the pace doubles with each quick one, and only then come more calls at once.
it('begins small after an outage and grows by stages', () => {
  const pace = new BatchPace(limits);
  expect(stateOf(pace)).toEqual([1024, 2]);
  pace.tell(30_000);
  const stages = [stateOf(pace)];
  for (let call = 0; call < 5; call++) {
    pace.tell(20);
    stages.push(stateOf(pace));
  }
  expect(stages).toEqual([
    [128, 1],
    [256, 1],
    [512, 1],
    [1024, 1],
    [1024, 2],
    [1024, 2],
  ]);
});

it('shrinks while calls are slow, and stays where they are neither slow nor quick', () => {
  const pace = new BatchPace(limits);
  pace.tell(2000);
  expect(stateOf(pace)).toEqual([512, 2]);
  for (let call = 0; call < 10; call++) pace.tell(2000);
  expect(stateOf(pace)).toEqual([128, 2]);
  pace.tell(1000);
  expect(stateOf(pace)).toEqual([128, 2]);
});

it('is never outside its limits, and at full pace after enough quick calls', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 100 }), (times) => {
      const pace = new BatchPace(limits);
      for (const tookMs of times) {
        pace.tell(tookMs);
        expect(pace.batchItemsMax).toBeGreaterThanOrEqual(128);
        expect(pace.batchItemsMax).toBeLessThanOrEqual(1024);
        expect([1, 2]).toContain(pace.callsInFlightMax);
      }
      for (let call = 0; call < 4; call++) pace.tell(1);
      expect(stateOf(pace)).toEqual([1024, 2]);
    }),
  );
});

// A batcher that has waited through an outage drains what has gathered in growing calls, one at a time at first, and loses nothing.
it('paces the drain of a batcher after an outage', async () => {
  let nowMs = 0;
  const calls: number[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  const batcher = new MergingBatcher<number, number>({
    monotonicMs: () => nowMs,
    pace: new BatchPace(limits),
    settleBatch: async (items) => {
      calls.push(items.length);
      inFlight += 1;
      if (calls.length > 2 && calls.length < 7) mostInFlight = Math.max(mostInFlight, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      nowMs += calls.length <= 2 ? 60_000 : 10;
      inFlight -= 1;
      return items;
    },
  });
  const groups = Array.from({ length: 40 }, (_, no) => Array.from({ length: 128 }, (_, at) => no * 128 + at));
  const first = [batcher.submit(groups[0]!)];
  await new Promise((resolve) => setImmediate(resolve));
  const outcomes = await Promise.all([...first, ...groups.slice(1).map((group) => batcher.submit(group))]);
  expect(outcomes).toEqual(groups);
  const small = calls.indexOf(128, 2);
  expect(calls.slice(small, small + 4)).toEqual([128, 256, 512, 1024]);
  expect(mostInFlight).toBe(1);
});
