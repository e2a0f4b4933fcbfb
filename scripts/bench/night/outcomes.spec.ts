import { expect, test } from 'vitest';
import { added, assertCounted, assertShares, drawnOf, outcomesIn, sharesOf, since } from './outcomes.ts';

const metrics = (hit: number, miss: number, refused = 0): string => `# HELP hongbao_shakes_total shakes by result
# TYPE hongbao_shakes_total counter
hongbao_shakes_total{result="hit",service="gateway"} ${hit}
hongbao_shakes_total{result="miss",service="gateway"} ${miss}
hongbao_shakes_total{result="not_started",service="gateway"} 0
hongbao_shakes_refused_total{service="gateway"} ${refused}
hongbao_shakers_cut_off_total{service="gateway"} 0
`;
const meant = { hit: { lowest: 0.007, highest: 0.013 }, miss: { lowest: 0.98, highest: 1 } };

test('the counters of several gateways add up, and a run is what came between two readings', () => {
  const before = added([outcomesIn(metrics(1, 10)), outcomesIn(metrics(2, 20))]);
  const run = since(before, added([outcomesIn(metrics(2, 109)), outcomesIn(metrics(2, 20, 1))]));
  expect(Object.fromEntries(run)).toEqual({ hit: 1, miss: 99, not_started: 0, refused: 1, cut_off: 0 });
  expect(drawnOf(run)).toBe(100);
  expect(sharesOf(run)).toEqual({ hit: 0.0099, miss: 0.9802, refused: 0.0099 });
});

test('a run with the meant shares passes; one with others, or with what was not meant at all, does not', () => {
  expect(() => assertShares('it', outcomesIn(metrics(10, 990)), meant)).not.toThrow();
  expect(() => assertShares('it', outcomesIn(metrics(20, 980)), meant)).toThrow('2.00 % hit, meant 0.7 to 1.3 %');
  expect(() => assertShares('it', outcomesIn(metrics(0, 1000)), meant)).toThrow('0.00 % hit');
  expect(() => assertShares('it', outcomesIn(metrics(10, 990, 5)), meant)).toThrow('% refused, meant 0 to 0 %');
});

test('a run that the gateway counted otherwise than the driver does not pass', () => {
  const run = outcomesIn(metrics(10, 990));
  expect(() => assertCounted('it', run, 990, 64)).not.toThrow();
  expect(() => assertCounted('it', run, 900, 64)).toThrow('counted 1000 shakes, the driver 900');
});
