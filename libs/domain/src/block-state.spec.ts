import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockStates, canReclaim, lastAcceptanceMs, reclaimableAtMs } from './block-state.ts';

const anyTimes = fc.record({
  issueUntilMs: fc.integer({ min: 0, max: 2 ** 45 }),
  ticketTtlMs: fc.integer({ min: 1, max: 86_400_000 }),
  graceMs: fc.nat(60_000),
});

describe('reclaiming a block (invariant 3)', () => {
  it('is never possible while a ticket of the epoch can still be accepted, or for grace after that', () => {
    fc.assert(
      fc.property(anyTimes, fc.nat(200_000_000), (times, afterMs) => {
        const nowMs = times.issueUntilMs + afterMs;
        const last = lastAcceptanceMs(times.issueUntilMs, times.ticketTtlMs);
        const can = canReclaim({ nowMs, block: { state: 'out', ...times }, oldestOutstandingMs: undefined });
        expect(can).toBe(nowMs >= last + times.graceMs);
      }),
    );
  });

  it('waits as long as an outstanding open may be one of this block', () => {
    fc.assert(
      fc.property(anyTimes, fc.integer({ min: -1000, max: 1000 }), (times, offsetMs) => {
        const block = { state: 'out', ...times } as const;
        const last = lastAcceptanceMs(times.issueUntilMs, times.ticketTtlMs);
        const nowMs = reclaimableAtMs(times.issueUntilMs, times.ticketTtlMs, times.graceMs) + 5000;
        const can = canReclaim({ nowMs, block, oldestOutstandingMs: last + offsetMs });
        expect(can).toBe(offsetMs > 0);
      }),
    );
  });

  it('is for blocks that are out alone', () => {
    const times = { issueUntilMs: 0, ticketTtlMs: 1, graceMs: 0 };
    const able = blockStates.filter((state) =>
      canReclaim({ nowMs: 10, block: { state, ...times }, oldestOutstandingMs: undefined }),
    );
    expect(able).toEqual(['out']);
  });
});
