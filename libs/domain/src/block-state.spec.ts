import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BlockStage,
  type BlockState,
  blockStates,
  canBlockGo,
  canReclaim,
  lastAcceptanceMs,
  reclaimableAtMs,
} from './block-state.ts';

const anyTimes = fc.record({
  issueUntilMs: fc.integer({ min: 0, max: 2 ** 45 }),
  ticketTtlMs: fc.integer({ min: 1, max: 86_400_000 }),
  graceMs: fc.nat(60_000),
});

const legal = [
  'planned→out',
  'planned→retired',
  'out→reclaimed',
  'out→retired',
  'out→closed',
  'reclaimed→out',
  'reclaimed→retired',
  'reclaimed→closed',
  'retired→closed',
];

describe('block states', () => {
  const goalsOf = (from: BlockStage) => blockStates.filter((to) => canBlockGo(from, to));

  it('go exactly where the table lets them: every other pair is refused', () => {
    const stages: BlockStage[] = ['planned', ...blockStates];
    expect(stages.flatMap((from) => goalsOf(from).map((to) => `${from}→${to}`)).sort()).toEqual([...legal].sort());
  });

  it('never lead from retired or closed back to out: what may have been issued is not issued again (invariant 10)', () => {
    const reachable = new Set<BlockState>(['retired']);
    for (const state of reachable) for (const to of goalsOf(state)) reachable.add(to);
    expect([...reachable]).toEqual(['retired', 'closed']);
  });

  it('lead to closed from everywhere', () => {
    for (const state of blockStates) if (state !== 'closed') expect(goalsOf(state)).toContain('closed');
  });
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
