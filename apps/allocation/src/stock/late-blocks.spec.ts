import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LateBlocks, type LatePool } from './late-blocks.ts';
import { blocksDue } from './stock-plan.ts';

const leadMs = 2000;
const tickMs = 250;
const wave = { startsAtMs: 0, durationMs: 600_000 };
const event = { id: 1, endsAtMs: 700_000, reissue: 'event' as const };
/** Ten blocks a second. */
const pool: LatePool = {
  poolId: 1,
  wave,
  packetCount: 96_000,
  blockSize: 16,
  blockCount: 6000,
  blockLifeMs: 10_000,
  releaseCurve: 'even',
};

/** A stocker that ticks as the real one does and stocks whatever it may. */
function stockerAt(subject = pool) {
  const late = new LateBlocks();
  let nextBlock = 0;
  const tick = (nowMs: number): number => {
    late.look(event, [subject], () => nextBlock, { nowMs, leadMs });
    const upTo = Math.max(nextBlock, blocksDue(subject.wave, subject, nowMs, leadMs) - late.of(subject.poolId));
    const stocked = upTo - nextBlock;
    nextBlock = upTo;
    return stocked;
  };
  const run = (fromMs: number, toMs: number): number => {
    let stocked = 0;
    for (let nowMs = fromMs; nowMs < toMs; nowMs += tickMs) stocked += tick(nowMs);
    return stocked;
  };
  return { tick, run, behindAt: (nowMs: number) => blocksDue(subject.wave, subject, nowMs, leadMs) - nextBlock };
}

it('stocks what the curve says while it ticks, from its first tick on, and after short pauses', () => {
  const stocker = stockerAt();
  for (const nowMs of [5000, 5250, 6000, 7900, 8150]) {
    stocker.tick(nowMs);
    expect(stocker.behindAt(nowMs)).toBe(0);
  }
});

// After thirty seconds without ticks what is stocked is never more than one and a half times the curve's pace (beside what lies ahead of it
// anyway and a short pause), and in the end nothing is missing.
it('lets what is late out by and by after an outage', () => {
  const stocker = stockerAt();
  stocker.run(0, 100_000);
  const atOnce = stocker.tick(130_000);
  expect(atOnce).toBeLessThanOrEqual(10 * (2 + 3));
  for (let second = 130; second < 180; second++) {
    const stocked = stocker.run(second * 1000 + tickMs, (second + 1) * 1000 + tickMs);
    expect(stocked).toBeLessThanOrEqual(15 + 1);
    expect(stocked).toBeGreaterThanOrEqual(10 - 1);
  }
  stocker.run(180_000 + tickMs, 200_000);
  expect(stocker.behindAt(199_750)).toBe(0);
});

it('has everything out before issuing ends, whenever the outages were', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 650_000 }), { maxLength: 5 }), (outages) => {
      const stocker = stockerAt();
      const isOut = (nowMs: number) => outages.some((fromMs) => nowMs >= fromMs && nowMs < fromMs + 30_000);
      let stocked = 0;
      for (let nowMs = 0; nowMs < event.endsAtMs; nowMs += tickMs) if (!isOut(nowMs)) stocked += stocker.tick(nowMs);
      expect(stocked).toBe(pool.blockCount);
    }),
    { numRuns: 20 },
  );
});
