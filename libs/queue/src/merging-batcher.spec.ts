import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MergingBatcher } from './merging-batcher.ts';

/** A settlement that records its calls and ends when it is told to. */
function heldSettlement() {
  const calls: { items: number[]; finish: (error?: Error) => void }[] = [];
  const settleBatch = async (items: number[]): Promise<string[]> =>
    await new Promise((resolve, reject) => {
      const finish = (error?: Error) => (error ? reject(error) : resolve(items.map((item) => `o${item}`)));
      calls.push({ items, finish });
    });
  return { calls, settleBatch };
}

const turn = async () => await new Promise((resolve) => setImmediate(resolve));

describe('MergingBatcher', () => {
  it('gives every group its outcomes, keeps groups whole and calls within their limits', async () => {
    // Proves, for any sizes and limits: nothing lost, doubled, reordered or split; no call or number of calls over its limit.
    const sizes = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 20, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.scheduler(),
        async (groupSizes, batchItemsMax, callsInFlightMax, scheduler) => {
          const calls: number[][] = [];
          let inFlight = 0;
          const settleBatch = async (items: number[]) => {
            calls.push(items);
            inFlight += 1;
            expect(inFlight).toBeLessThanOrEqual(callsInFlightMax);
            await scheduler.schedule(Promise.resolve());
            inFlight -= 1;
            return items.map((item) => `o${item}`);
          };
          const batcher = new MergingBatcher({ settleBatch, batchItemsMax, callsInFlightMax });
          let next = 0;
          const groups = groupSizes.map((size) => Array.from({ length: size }, () => next++));
          const outcomes = Promise.all(groups.map(async (group) => await batcher.submit(group)));
          expect(await scheduler.waitFor(outcomes)).toEqual(groups.map((group) => group.map((item) => `o${item}`)));
          expect(calls.flat()).toEqual(groups.flat());
          for (const call of calls) {
            expect(call.length).toBeLessThanOrEqual(batchItemsMax);
            const starts = new Set(groups.map(([first]) => first));
            expect(starts.has(call[0])).toBe(true);
          }
          await batcher.whenIdle();
          expect(batcher.load()).toEqual({ itemsWaiting: 0, callsInFlight: 0 });
        },
      ),
    );
  });

  it('merges what arrives while calls are under way', async () => {
    // Proves that calls grow just when the work is behind.
    const { calls, settleBatch } = heldSettlement();
    const batcher = new MergingBatcher({ settleBatch, batchItemsMax: 5, callsInFlightMax: 1 });
    const settled = [[1], [2, 3], [4, 5, 6], [7]].map(async (group, at) => {
      for (let turns = 0; turns < at; turns++) await turn();
      return await batcher.submit(group);
    });
    for (let turns = 0; turns < 6; turns++) await turn();
    expect(calls.map(({ items }) => items)).toEqual([[1]]);
    expect(batcher.load()).toEqual({ itemsWaiting: 6, callsInFlight: 1 });
    calls[0]!.finish();
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([[1], [2, 3, 4, 5, 6]]);
    calls[1]!.finish();
    await turn();
    calls[2]!.finish();
    expect(await Promise.all(settled)).toEqual([['o1'], ['o2', 'o3'], ['o4', 'o5', 'o6'], ['o7']]);
  });

  it('rejects only the groups that are at fault: after a merged call has rejected, each is called once alone', async () => {
    // Proves, for any groups: a faulty one takes no other with it, and costs it one call more at most (invariant 9).
    const groupList = fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), isFaulty: fc.boolean() }), {
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(groupList, fc.integer({ min: 1, max: 3 }), async (list, callsInFlightMax) => {
        let next = 0;
        const groups = list.map(({ size }) => Array.from({ length: size }, () => next++));
        const faulty = new Set(groups.filter((_, at) => list[at]!.isFaulty).flat());
        const calls: number[][] = [];
        let inFlight = 0;
        const settleBatch = async (items: number[]) => {
          calls.push(items);
          inFlight += 1;
          expect(inFlight).toBeLessThanOrEqual(callsInFlightMax);
          await turn();
          inFlight -= 1;
          const fault = items.find((item) => faulty.has(item));
          if (fault !== undefined) throw new Error(`item ${fault}`);
          return items.map((item) => `o${item}`);
        };
        const batcher = new MergingBatcher({ settleBatch, batchItemsMax: 12, callsInFlightMax });
        const settled = await Promise.allSettled(groups.map(async (group) => await batcher.submit(group)));
        expect(settled.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message))).toEqual(
          groups.map((group, at) => (list[at]!.isFaulty ? `item ${group[0]}` : group.map((item) => `o${item}`))),
        );
        for (const group of groups) {
          const its = calls.filter((call) => call.includes(group[0]!));
          expect(its.length).toBeLessThanOrEqual(2);
          if (its.length === 2) expect(its[1]).toEqual(group);
        }
        await batcher.whenIdle();
        expect(batcher.load()).toEqual({ itemsWaiting: 0, callsInFlight: 0 });
      }),
    );
  });

  it('keeps an error from other calls, and what was merged ahead of what came later', async () => {
    // Proves that a call under way beside the failed one is untouched, and that the repeats are not pushed back for ever.
    const { calls, settleBatch } = heldSettlement();
    const batcher = new MergingBatcher({ settleBatch, batchItemsMax: 2, callsInFlightMax: 2 });
    const settled = Promise.allSettled([[1], [2], [3], [4]].map(async (group) => await batcher.submit(group)));
    await turn();
    const late = batcher.submit([5]);
    calls[0]!.finish(new Error('a locked row'));
    await turn();
    expect(calls.map(({ items }) => items)).toEqual([[1, 2], [3, 4], [1]]);
    calls[1]!.finish();
    calls[2]!.finish(new Error('a locked row'));
    await turn();
    expect(calls.slice(3).map(({ items }) => items)).toEqual([[2], [5]]);
    for (const { finish } of calls) finish();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect(await late).toEqual(['o5']);
    await batcher.whenIdle();
  });

  it('takes a wrong number of outcomes for an error', async () => {
    // Proves that no item can get the outcome of another.
    const batcher = new MergingBatcher<number, string>({ settleBatch: async () => ['one'] });
    await expect(batcher.submit([1, 2])).rejects.toThrow('2 items were settled with 1 outcomes');
  });

  it('refuses what is over its limits', async () => {
    // Proves that neither a group nor the waiting room can grow without bound.
    const { calls, settleBatch } = heldSettlement();
    const batcher = new MergingBatcher({ settleBatch, batchItemsMax: 2, itemsWaitingMax: 3 });
    await expect(batcher.submit([1, 2, 3])).rejects.toThrow(RangeError);
    const first = batcher.submit([1, 2]);
    await expect(batcher.submit([3, 4])).rejects.toThrow(RangeError);
    await turn();
    calls[0]!.finish();
    expect(await first).toEqual(['o1', 'o2']);
  });
});
