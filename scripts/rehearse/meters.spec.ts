import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Counters, LatencyHistogram } from './meters.ts';

describe('the meters of a rehearsal', () => {
  it('percentiles are at least the true ones and at most 5 % above', () => {
    const latencies = fc.array(fc.double({ min: 0.1, max: 500_000, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(latencies, fc.constantFrom(0.5, 0.9, 0.99, 1), (values, fraction) => {
        const histogram = new LatencyHistogram();
        for (const ms of values) histogram.record(ms);
        const sorted = values.toSorted((a, b) => a - b);
        const exactMs = sorted[Math.ceil(sorted.length * fraction) - 1] ?? 0;
        expect(histogram.percentileMs(fraction)).toBeGreaterThanOrEqual(exactMs * 0.999_999);
        expect(histogram.percentileMs(fraction)).toBeLessThanOrEqual(exactMs * 1.050_001);
      }),
    );
  });

  it('an empty histogram is all zero', () => {
    expect(new LatencyHistogram().summary()).toEqual({ count: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, maxMs: 0 });
  });

  it('lists the counters of a group by their own names, most frequent first', () => {
    const counters = new Counters();
    counters.add('open.limit');
    counters.add('open.credited', 3);
    counters.add('opens.repeated');
    expect(Object.entries(counters.under('open.'))).toEqual([
      ['credited', 3],
      ['limit', 1],
    ]);
  });
});
