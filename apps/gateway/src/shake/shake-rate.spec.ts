import { describe, expect, it } from 'vitest';
import { ShakeRate, tickMs } from './shake-rate.ts';

function countMany(rate: ShakeRate, shakes: number, sponsors: readonly number[] = []): void {
  const wins = sponsors.map((sponsorNo) => ({ packetId: 1n, sponsorNo, expiresAtMs: 0 }));
  for (let i = 0; i < shakes; i++) rate.count(wins);
}

describe('the rate of shakes', () => {
  it('believes a burst at once, and takes a second to forget it', () => {
    const rate = new ShakeRate();
    countMany(rate, 500);
    rate.tick(tickMs);
    expect(rate.perSecond).toBe(5000);
    for (let tick = 2; tick <= 10; tick++) rate.tick(tick * tickMs);
    expect(rate.perSecond).toBe(500);
    rate.tick(11 * tickMs);
    expect(rate.perSecond).toBe(0);
  });

  it('does not take a few users for a burst', () => {
    const rate = new ShakeRate();
    countMany(rate, 3);
    rate.tick(tickMs);
    expect(rate.perSecond).toBe(3);
  });

  it('counts by the time that went by, not by the ticks of a busy process', () => {
    const rate = new ShakeRate();
    for (let tick = 1; tick <= 20; tick++) {
      countMany(rate, 300);
      rate.tick(tick * 3 * tickMs);
    }
    expect(rate.perSecond).toBeCloseTo(1000, 0);
  });

  it('knows how many may still win of a sponsor', () => {
    const rate = new ShakeRate();
    countMany(rate, 60);
    countMany(rate, 30, [1]);
    countMany(rate, 10, [1, 2]);
    rate.tick(tickMs);
    expect([0, 1, 2].map((sponsorNo) => rate.perSecondWithout(sponsorNo))).toEqual([1000, 600, 900]);
  });

  it('says that nobody shakes when even a client that was told the longest wait would have come', () => {
    const rate = new ShakeRate();
    expect(rate.isShaken).toBe(false);
    countMany(rate, 1);
    expect(rate.isShaken).toBe(true);
    for (let tick = 1; tick <= 121; tick++) rate.tick(tick * tickMs);
    expect([rate.perSecond, rate.isShaken]).toEqual([0, false]);
  });

  it('knows the shakes of each tally period, and the latest ticks', () => {
    const rate = new ShakeRate();
    for (let tick = 1; tick <= 10; tick++) {
      countMany(rate, tick);
      countMany(rate, 1, [2]);
      rate.tick(tick * tickMs);
    }
    expect([0, 1, 2].map((period) => rate.inPeriodWithout(period, 0))).toEqual([20, 45, 0]);
    expect(rate.inPeriodWithout(1, 2)).toBe(40);
    expect([rate.latest(1), rate.latest(3)]).toEqual([
      { shakes: 11, elapsedMs: 100 },
      { shakes: 30, elapsedMs: 300 },
    ]);
  });
});
