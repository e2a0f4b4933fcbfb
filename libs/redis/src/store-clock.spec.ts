import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RedisClient } from './redis-client.ts';
import { StoreClock, type StoreClockOptions } from './store-clock.ts';

/** A store whose clock is `offsetMs` ahead of the monotonic one, behind a line with a delay each way. */
function fakeStore(offsetMs: number) {
  const store = {
    monotonic: 1000,
    offsetMs,
    delayOutMs: 0,
    delayBackMs: 0,
    isAway: false,
    async time() {
      if (store.isAway) throw new Error('Connection is closed.');
      store.monotonic += store.delayOutMs;
      const microseconds = Math.round((store.monotonic + store.offsetMs) * 1000);
      store.monotonic += store.delayBackMs;
      return [Math.floor(microseconds / 1_000_000), microseconds % 1_000_000];
    },
  };
  return store;
}

function clockOf(store: ReturnType<typeof fakeStore>, options: StoreClockOptions = {}): StoreClock {
  return new StoreClock(store as unknown as RedisClient, { ...options, monotonicMs: () => store.monotonic });
}

const epochMs = 1_800_000_000_000;

describe('StoreClock', () => {
  it('is off by half the round trip at most, whatever the line does', async () => {
    // Proves the error bound over all delays and offsets.
    const delayMs = fc.integer({ min: 0, max: 200 });
    await fc.assert(
      fc.asyncProperty(delayMs, delayMs, fc.integer({ min: 0, max: 10_000 }), async (outMs, backMs, laterMs) => {
        const store = Object.assign(fakeStore(epochMs), { delayOutMs: outMs, delayBackMs: backMs });
        const clock = clockOf(store, { roundTripMaxMs: 400 });
        await clock.synchronise();
        store.monotonic += laterMs;
        expect(clock.errorMs()).toBe((outMs + backMs) / 2);
        expect(Math.abs(clock.nowMs()! - (store.monotonic + epochMs))).toBeLessThanOrEqual(clock.errorMs()! + 1);
      }),
    );
  });

  it('knows no time before its first sample, nor when the last one is too old', async () => {
    // Proves that a process which cannot hear the store issues nothing (it stops by itself).
    const store = fakeStore(epochMs);
    const clock = clockOf(store, { clockFreshMs: 15_000 });
    expect(clock.nowMs()).toBeUndefined();
    await clock.synchronise();
    store.isAway = true;
    store.monotonic += 15_000;
    expect(await clock.synchronise()).toBe(false);
    expect(clock.nowMs()).toBe(epochMs + 16_000);
    store.monotonic += 1;
    expect(clock.nowMs()).toBeUndefined();
    expect(clock.errorMs()).toBeUndefined();
    store.isAway = false;
    expect(await clock.synchronise()).toBe(true);
    expect(clock.nowMs()).toBe(epochMs + 16_001);
  });

  it('discards a slow sample while it has a better one, and takes it when it has none', async () => {
    // Proves that one slow answer does not make the time uncertain.
    const store = Object.assign(fakeStore(epochMs), { delayOutMs: 600 });
    const clock = clockOf(store, { roundTripMaxMs: 250 });
    expect(await clock.synchronise()).toBe(true);
    expect(clock.errorMs()).toBe(300);
    store.delayOutMs = 2;
    expect(await clock.synchronise()).toBe(true);
    store.delayOutMs = 600;
    expect(await clock.synchronise()).toBe(false);
    expect(clock.errorMs()).toBe(1);
  });

  it('follows a store whose clock is another one', async () => {
    // Proves that the newest good sample counts, as after a failover.
    const store = fakeStore(epochMs);
    const clock = clockOf(store);
    await clock.synchronise();
    store.offsetMs += 5000;
    await clock.synchronise();
    expect(clock.nowMs()).toBe(store.monotonic + epochMs + 5000);
  });

  it('takes the samples that its timer is late with, and no others', async () => {
    // Proves that a process that never comes to its timers keeps its time.
    const store = Object.assign(fakeStore(epochMs), { samples: 0 });
    const time = store.time.bind(store);
    store.time = () => {
      store.samples += 1;
      return time();
    };
    const clock = clockOf(store, { intervalMs: 60_000 });
    clock.start();
    expect(await clock.whenReady(1000)).toBe(true);
    store.monotonic += 80_000;
    clock.keepUp();
    expect(store.samples).toBe(1);
    store.monotonic += 20_000;
    clock.keepUp();
    clock.keepUp();
    expect(store.samples).toBe(2);
    clock.stop();
    store.monotonic += 200_000;
    clock.keepUp();
    expect(store.samples).toBe(2);
  });

  it('stops waiting for a first sample when it is stopped or the time is over', async () => {
    // Proves that the start of a process cannot hang on its clock.
    const store = Object.assign(fakeStore(epochMs), { isAway: true });
    const clock = clockOf(store);
    clock.start();
    expect(await clock.whenReady(10)).toBe(false);
    const waiting = clock.whenReady(60_000);
    clock.stop();
    expect(await waiting).toBe(false);
  });
});
