import { describe, expect, it } from 'vitest';
import { PoolFigures } from './pool-figures.ts';

const periodMs = 500;
/** Right after the end of a period's successor: when its totals are read. */
const readAtMs = (period: number): number => (period + 2) * periodMs;

function figuresOf(shakes: readonly number[], own: (shakes: number) => number = (all) => all / 4): PoolFigures {
  const figures = new PoolFigures();
  shakes.forEach((all, period) => {
    figures.report(period, own(all));
    figures.take({ period, shakes: all, left: 5, listed: 20 });
  });
  return figures;
}

describe('what gateways together know of a pool', () => {
  it('is the latest period when many shake, and an average over seconds when few do', () => {
    expect(figuresOf([100, 4000]).demand(readAtMs(1))).toMatchObject({
      perSecond: 8000,
      ownPerSecond: 2000,
      ownShakes: 1000,
    });
    expect(figuresOf([0, 4, 0, 0, 8, 0]).demand(readAtMs(5))).toMatchObject({
      perSecond: 4,
      ownPerSecond: 1,
      ownShakes: 3,
    });
  });

  it('is unknown until totals hold the own shakes, and when they grow old', () => {
    const figures = new PoolFigures();
    figures.take({ period: 0, shakes: 1000, left: 5, listed: 20 });
    expect([figures.demand(readAtMs(0)), figures.available(readAtMs(0))]).toEqual([undefined, undefined]);
    figures.report(1, 10);
    figures.take({ period: 1, shakes: 1000, left: 5, listed: 20 });
    expect([figures.demand(readAtMs(1))?.perSecond, figures.available(readAtMs(1))]).toEqual([2000, 25]);
    expect(figures.demand(2 * periodMs + 3000)).toBeUndefined();
  });

  it('takes silence for little demand only after seconds of it', () => {
    expect(figuresOf([0, 0, 0]).demand(readAtMs(2))).toBeUndefined();
    expect(figuresOf([0, 0, 0, 0]).demand(readAtMs(3))).toMatchObject({ perSecond: 0.25, ownPerSecond: 0 });
  });

  it('sees a steady growth ahead, and does not take a burst for one', () => {
    const grown = figuresOf([1000, 1100, 1200, 1300, 1400, 1500, 1600, 1700]).demand(readAtMs(7))!;
    expect(grown.perSecond).toBe(3400);
    expect(grown.trendPerSecond).toBeCloseTo(3900, 5);
    const burst = figuresOf([1000, 1000, 1000, 1000, 1000, 1000, 1000, 4000]).demand(readAtMs(7))!;
    expect(burst.trendPerSecond).toBe(burst.perSecond);
  });

  it('compares what is available with what ought to lie ahead when it was counted', () => {
    const figures = figuresOf([1000]);
    const release = {
      releaseCurve: 'even',
      packetCount: 100,
      blockSize: 1,
      startsAtMs: 0,
      durationMs: 10_000,
      stockLeadMs: 1200,
    } as const;
    // counted 750 ms into it: 17.5 are due on the list by then, of which 7.5 are released; 25 are available
    expect(figures.excess(release, readAtMs(0))).toBeCloseTo(25 - (17 - 7.5), 5);
  });
});
