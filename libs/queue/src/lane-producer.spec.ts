import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { atMostEvery } from './at-most-every.ts';
import { retryDelayMs } from './lane.ts';
import { LaneBuffer } from './lane-buffer.ts';
import { lingerMs } from './lane-producer.ts';
import { SlowDown } from './slow-down.ts';

describe('lingerMs', () => {
  it('grows from its minimum to its maximum as replies fall behind', () => {
    // Proves bounds and monotony for any backlog.
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.nat({ max: 500 }), (a, b) => {
        const [few, many] = [Math.min(a, b), Math.max(a, b)].map((jobs) => lingerMs(jobs, 10, 50));
        expect(few).toBeGreaterThanOrEqual(10);
        expect(many).toBeLessThanOrEqual(50);
        expect(few).toBeLessThanOrEqual(many!);
      }),
    );
    expect(lingerMs(3, 10, 50)).toBe(10);
    expect(lingerMs(300, 10, 50)).toBe(50);
  });
});

describe('retryDelayMs', () => {
  it('doubles up to its limit and never says "no more"', () => {
    // Proves that a job which fails for a day is still tried every few seconds.
    expect([1, 2, 3, 1000].map(retryDelayMs)).toEqual([200, 400, 800, 5000]);
  });
});

describe('LaneBuffer', () => {
  const late = { whileWaiting: 'too late', whenTaken: 'unknown' };
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('gives items in order, each once', async () => {
    // Proves that a job takes the oldest items and leaves the others.
    const buffer = new LaneBuffer<number, string>();
    const answers = [1, 2, 3].map(async (item) => await buffer.add(item, 100, late));
    const taken = buffer.take(2);
    expect(taken.map(({ item }) => item)).toEqual([1, 2]);
    expect(buffer.size).toBe(1);
    for (const waiting of [...taken, ...buffer.take(2)]) waiting.settle(`done ${waiting.item}`);
    expect(await Promise.all(answers)).toEqual(['done 1', 'done 2', 'done 3']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets an item go whose time is over, so that it is never enqueued', async () => {
    // Proves that an open which was answered 503 as late is not accepted behind the user's back.
    const buffer = new LaneBuffer<number, string>();
    const answer = buffer.add(1, 100, late);
    const other = buffer.add(2, 200, late);
    await vi.advanceTimersByTimeAsync(100);
    expect(await answer).toBe('too late');
    expect(buffer.take(9).map(({ item }) => item)).toEqual([2]);
    await vi.advanceTimersByTimeAsync(100);
    expect(await other).toBe('unknown');
  });

  it('lets an item go whose time is over before its timer says so', async () => {
    // Proves that a process which was stopped enqueues nothing late: its timers and sockets wake in any order.
    vi.useRealTimers();
    const buffer = new LaneBuffer<number, string>();
    const answers = [buffer.add(1, 5, late), buffer.add(2, 3_600_000, late)];
    const wakesAt = performance.now() + 10;
    while (performance.now() < wakesAt);
    const [taken, ...others] = buffer.take(1);
    expect([taken?.item, taken?.isLate(), others]).toEqual([2, false, []]);
    taken!.settle('done');
    expect(await Promise.all(answers)).toEqual(['too late', 'done']);
  });

  it('keeps to the first answer', async () => {
    // Proves that an acknowledgement after the time was over changes nothing any more.
    const buffer = new LaneBuffer<number, string>();
    const answer = buffer.add(1, 100, late);
    const [taken] = buffer.take(1);
    await vi.advanceTimersByTimeAsync(100);
    taken!.settle('done');
    expect(await answer).toBe('unknown');
  });
});

describe('SlowDown', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  let passed: number[];
  const wait = (slowDown: SlowDown, ...items: number[]): void => {
    passed = [];
    for (const [no, count] of items.entries()) void slowDown.wait(count).then(() => passed.push(no));
  };

  it('ends the waits under way when it is lifted', async () => {
    // Proves that a lane is fast again at once, whatever delay was set, and slow from the next on when it is set again.
    const slowDown = new SlowDown(10);
    await slowDown.wait(99);
    slowDown.set(3_600_000);
    wait(slowDown, 10, 10, 99);
    slowDown.set(0);
    await vi.advanceTimersByTimeAsync(0);
    expect([passed, vi.getTimerCount()]).toEqual([[0, 1, 2], 0]);
    slowDown.set(1000);
    wait(slowDown, 1);
    await vi.advanceTimersByTimeAsync(999);
    expect(passed).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(passed).toEqual([0]);
  });

  it('lets as many small jobs pass in a turn as make up a large one, in order', async () => {
    // Proves that the pace of a slow lane does not depend on how its items were cut into jobs.
    const slowDown = new SlowDown(10);
    slowDown.set(1000);
    wait(slowDown, 3, 3, 3, 3, 99, 10, 1);
    const turns: number[][] = [];
    for (let turn = 0; turn < 5; turn++) {
      await vi.advanceTimersByTimeAsync(1000);
      turns.push(passed.splice(0));
    }
    expect(turns).toEqual([[0, 1, 2], [3], [4], [5], [6]]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('atMostEvery', () => {
  it('acts at once and then not again within its interval', () => {
    // Proves that an outage fills no log and is not kept out of it either.
    vi.useFakeTimers();
    const acts: number[] = [];
    const act = atMostEvery(1000, (no: number) => acts.push(no));
    for (let no = 0; no < 25; no++) {
      act(no);
      vi.advanceTimersByTime(100);
    }
    vi.useRealTimers();
    expect(acts).toEqual([0, 10, 20]);
  });
});
