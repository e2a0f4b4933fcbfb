import { describe, expect, it } from 'vitest';
import { FloodModel } from '../testing/flood-model.ts';
import { lineLimitsOf } from './line-limits.ts';

const phones = 12_000;
/** Of a process with a part of a core: the fewer, the more a connection weighs. */
const capacityOf = { shake: 2500, all: 5500 } as const;
const opensPerSecond = 200;

function flooded(role: 'shake' | 'all', load: number, isOn: boolean) {
  const options = { phones, capacity: capacityOf[role], limits: lineLimitsOf[role], isOn };
  const model = new FloodModel({ ...options, opensPerSecond: role === 'all' ? opensPerSecond : 0 });
  model.run(0.5, 5000);
  model.opensMs = [];
  const { inTime } = model.run(load, 10_000);
  const opens = model.opensMs.toSorted((a, b) => a - b);
  return { model, share: inTime / capacityOf[role], openP99Ms: opens[Math.floor(opens.length * 0.99)], opens };
}

// A model, not a measurement: what its costs are was measured, and the suite `overload` shows what becomes of them in a real process.
describe('a flood of clients who obey nobody and give up after two seconds', () => {
  // Proves that shakes go on being answered in time however many come; without any of this nobody is answered after a few seconds.
  it.each([
    ['shake', 1.2, 0.7],
    ['shake', 2.5, 0.7],
    ['shake', 5, 0.7],
    ['all', 1.2, 0.65],
    ['all', 2.5, 0.65],
    ['all', 5, 0.65],
  ] as const)('%s at %s times what it can take', (role, load, shareMin) => {
    const { share } = flooded(role, load, true);
    expect(share).toBeGreaterThan(shareMin);
    // with twice as much capacity all of them can be answered within their patience, one after the other: opens cannot (below)
    if (role === 'shake' && load > 2) expect(share).toBeGreaterThan(1.5 * flooded(role, load, false).share);
  });

  // Proves that opens in the same event loop hardly notice.
  it('leaves opens their time', () => {
    const { opens, openP99Ms } = flooded('all', 2.5, true);
    expect(opens.length).toBeGreaterThan(1800);
    expect(openP99Ms).toBeLessThan(1200);
    const beside = flooded('all', 2.5, false);
    expect(beside.opens.length === 0 || beside.openP99Ms! > 2000).toBe(true);
  });

  // Proves that a flood that is over leaves nobody out for ever.
  it('lets everybody in again afterwards', () => {
    const { model } = flooded('all', 2.5, true);
    model.run(0.3, 60_000);
    const { offered, inTime } = model.run(0.3, 10_000);
    expect(inTime / offered).toBeGreaterThan(0.95);
  });
});
