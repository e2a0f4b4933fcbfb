import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSizeOf, releasedPackets } from '#libs/domain';
import { blocksDue, issueEndMs, issueUntilMs, mayRestock, restockDue } from './stock-plan.ts';

const event = { endsAtMs: 100_000, reissue: 'event' as const };
const wave = { startsAtMs: 20_000, durationMs: 30_000 };
const pool = { packetCount: 300, blockSize: 8, blockCount: 38, blockLifeMs: 10_000, releaseCurve: 'even' as const };

describe('blocksDue', () => {
  it('stocks nothing before the lead, along the curve in the wave, and all of it before the wave ends', () => {
    expect(blocksDue(wave, pool, 17_999, 2000)).toBe(0);
    expect(blocksDue(wave, pool, 18_000, 2000)).toBe(0);
    expect(blocksDue(wave, pool, 18_100, 2000)).toBe(1);
    expect(blocksDue(wave, pool, 33_000, 2000)).toBe(Math.ceil(150 / 8));
    expect(blocksDue(wave, pool, 48_000, 2000)).toBe(38);
    expect(blocksDue(wave, pool, 99_000, 2000)).toBe(38);
  });

  it('never asks for less than before nor for more than the curve has released ahead, but for the last block begun', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 5000 }), (nowMs, stepMs) => {
        const due = blocksDue(wave, pool, nowMs, 2000);
        expect(blocksDue(wave, pool, nowMs + stepMs, 2000)).toBeGreaterThanOrEqual(due);
        const released = Math.min(Math.max((nowMs + 2000 - 20_000) / 30_000, 0), 1) * 300;
        expect(due * 8).toBeLessThan(released + 8);
      }),
    );
  });
});

describe('issueUntilMs', () => {
  it('gives a block its life, from the start of the wave when it is stocked ahead of it', () => {
    expect(issueUntilMs(event, wave, pool, 25_000)).toBe(35_000);
    expect(issueUntilMs(event, wave, pool, 18_000)).toBe(30_000);
    expect(issueUntilMs(event, wave, { blockLifeMs: 500 }, 18_000)).toBe(20_500);
  });

  it('ends with the event, or with the wave when the pool is for its wave only', () => {
    expect(issueUntilMs(event, wave, pool, 95_000)).toBe(100_000);
    expect(issueUntilMs(event, wave, pool, 99_999)).toBe(100_000);
    expect(issueUntilMs(event, wave, pool, 100_000)).toBeUndefined();
    expect(issueEndMs({ ...event, reissue: 'wave' }, wave)).toBe(50_000);
    expect(issueUntilMs({ ...event, reissue: 'wave' }, wave, pool, 45_000)).toBe(50_000);
    expect(issueUntilMs({ ...event, reissue: 'wave' }, wave, pool, 50_000)).toBeUndefined();
    expect(issueUntilMs({ ...event, reissue: 'never' }, wave, pool, 60_000)).toBe(70_000);
  });
});

describe('mayRestock', () => {
  it('follows the reissue rule to the last instant', () => {
    expect(mayRestock(event, wave, 99_999)).toBe(true);
    expect(mayRestock(event, wave, 100_000)).toBe(false);
    expect(mayRestock({ ...event, reissue: 'wave' }, wave, 49_999)).toBe(true);
    expect(mayRestock({ ...event, reissue: 'wave' }, wave, 50_000)).toBe(false);
    expect(mayRestock({ ...event, reissue: 'never' }, wave, 25_000)).toBe(false);
  });
});

describe('blocks of pools of any pace', () => {
  it('are stocked less than one block ahead of the curve and its lead, and never behind them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1000, max: 86_400_000 }),
        fc.constantFrom('even', 'front', 'back', 'burst'),
        fc.nat(100_000_000),
        (packetCount, durationMs, releaseCurve, afterMs) => {
          const blockSize = blockSizeOf(packetCount, durationMs);
          const blockCount = Math.ceil(packetCount / blockSize);
          const shelf = { packetCount, blockSize, blockCount, blockLifeMs: 10_000, releaseCurve } as const;
          const due = blocksDue({ startsAtMs: 20_000, durationMs }, shelf, 20_000 + afterMs - 2000, 2000);
          const released = releasedPackets(releaseCurve, afterMs, durationMs, packetCount);
          const stocked = Math.min(due * blockSize, packetCount);
          expect(stocked).toBeGreaterThanOrEqual(released);
          expect(stocked).toBeLessThan(released + blockSize);
        },
      ),
    );
  });
});

describe('restockDue', () => {
  const ask = { event, wave, pool, nowMs: 30_000, leadMs: 2000, reclaimed: 30, listed: 0 };
  // ten packets a second: 20 lie ahead, 100 may lie on top of them, in blocks of 8

  it('fills the list up to what lies ahead and ten seconds of the curve’s packets, and no further', () => {
    expect(restockDue(ask)).toBe(Math.ceil(120 / 8));
    expect(restockDue({ ...ask, listed: 60 })).toBe(Math.ceil(60 / 8));
    expect(restockDue({ ...ask, listed: 119 })).toBe(1);
    expect(restockDue({ ...ask, listed: 120 })).toBe(0);
    expect(restockDue({ ...ask, listed: 10_000 })).toBe(0);
    expect(restockDue({ ...ask, reclaimed: 3 })).toBe(3);
  });

  it('lets a few blocks out of a pool that is slower than that', () => {
    const slow = { ...pool, packetCount: 30, blockSize: 1, blockCount: 30 };
    expect(restockDue({ ...ask, wave: { ...wave, durationMs: 3_000_000 }, pool: slow })).toBe(8);
  });

  it('lets more out when less time is left, and all of it in the last ten seconds', () => {
    const many = { ...ask, pool: { ...pool, packetCount: 3000, blockCount: 375 }, reclaimed: 300 };
    const at = (nowMs: number) => restockDue({ ...many, nowMs });
    expect(at(60_000)).toBe(Math.ceil(1000 / 8));
    expect(at(80_000)).toBe(Math.ceil(1200 / 8));
    expect(at(90_000)).toBe(300);
    expect(at(99_999)).toBe(300);
  });

  it('never asks for more than there is, and empties any backlog by the end if what is listed is taken', () => {
    const anyPool = fc.record({ packetCount: fc.integer({ min: 1, max: 100_000 }), reclaimed: fc.nat(2000) });
    fc.assert(
      fc.property(anyPool, ({ packetCount, reclaimed }) => {
        const blockSize = blockSizeOf(packetCount, wave.durationMs);
        const shelf = { ...pool, packetCount, blockSize, blockCount: Math.ceil(packetCount / blockSize) };
        let left = reclaimed;
        for (let nowMs = 50_000; nowMs < event.endsAtMs; nowMs += 250) {
          const due = restockDue({ ...ask, pool: shelf, nowMs, reclaimed: left });
          expect(due >= 0 && due <= left).toBe(true);
          left -= due;
        }
        expect(left).toBe(0);
      }),
    );
  });
});
