import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CurvePoint,
  curveNames,
  curvePointsMax,
  findCurveFaults,
  type ReleaseCurve,
  releasedFraction,
  releasedPackets,
} from './release-curve.ts';

const anyFraction = fc.double({ min: 0, max: 1, noNaN: true });
const ascending = (list: number[]): number[] => [...list].sort((a, b) => a - b);

/** Points in order, with steps and level stretches among them. */
const anyPoints: fc.Arbitrary<CurvePoint[]> = fc
  .array(fc.tuple(anyFraction, anyFraction), { maxLength: curvePointsMax - 2 })
  .map((inner) => {
    const times = ascending(inner.map(([time]) => time));
    const released = ascending(inner.map(([, fraction]) => fraction));
    return [[0, 0], ...times.map((time, i): CurvePoint => [time, released[i]!]), [1, 1]];
  });
const anyCurve: fc.Arbitrary<ReleaseCurve> = fc.oneof(fc.constantFrom(...curveNames), anyPoints);
const anyDuration = fc.integer({ min: 1, max: 86_400_000 });

describe('release curves', () => {
  it('curves without faults never fall, begin at nothing and end with everything', () => {
    const anyTimes = fc.array(fc.integer({ min: -1000, max: 87_000_000 }), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(
        anyCurve,
        anyDuration,
        anyTimes,
        fc.integer({ min: 1, max: 1e9 }),
        (curve, durationMs, times, count) => {
          expect(findCurveFaults(curve)).toEqual([]);
          let before = 0;
          for (const elapsedMs of ascending(times)) {
            const released = releasedPackets(curve, elapsedMs, durationMs, count);
            expect(Number.isInteger(released) && released >= before && released <= count).toBe(true);
            if (elapsedMs < 0) expect(released).toBe(0);
            if (elapsedMs >= durationMs) expect(released).toBe(count);
            before = released;
          }
        },
      ),
    );
  });

  it('a curve never falls between neighbouring milliseconds at its corners', () => {
    fc.assert(
      fc.property(anyPoints, anyDuration, (points, durationMs) => {
        for (const [time] of points) {
          const around = [-1, 0, 1].map((step) => Math.floor(time * durationMs) + step);
          const fractions = around.map((elapsedMs) => releasedFraction(points, elapsedMs, durationMs));
          expect(fractions).toEqual(ascending(fractions));
        }
      }),
    );
  });

  it('goes through its points: at the time of a point that has no step its fraction is released', () => {
    const curve: ReleaseCurve = [
      [0, 0],
      [0.25, 0.1],
      [0.5, 0.9],
      [1, 1],
    ];
    expect([250, 375, 500, 750].map((at) => releasedFraction(curve, at, 1000))).toEqual([
      0.1,
      expect.closeTo(0.5),
      0.9,
      expect.closeTo(0.95),
    ]);
  });

  it('rounding never carries a line over its upper end, from which the next line would fall', () => {
    // the fraction of the line's time rounds to 1 just before its end, and 0.03 + (0.29 − 0.03) rounds to more than 0.29
    const curve: ReleaseCurve = [
      [0, 0],
      [3 * 2 ** -54, 0.03],
      [0.999 + 2 ** -53, 0.29],
      [1, 1],
    ];
    expect(findCurveFaults(curve)).toEqual([]);
    expect(releasedFraction(curve, 999, 1000)).toBe(0.29);
  });

  it('two points at one time are a step, and its upper end counts from that time on', () => {
    const curve: ReleaseCurve = [
      [0, 0],
      [0, 0.2],
      [0.5, 0.2],
      [0.5, 0.8],
      [1, 1],
    ];
    expect([0, 499, 500].map((at) => releasedFraction(curve, at, 1000))).toEqual([0.2, 0.2, 0.8]);
  });

  it('the named curves say what they promise', () => {
    const halfWay = curveNames.map((name) => [name, releasedFraction(name, 500, 1000)]);
    expect(halfWay).toEqual([
      ['even', 0.5],
      ['front', 0.75],
      ['back', 0.25],
      ['burst', expect.closeTo(0.5 + 0.5 * (0.4 / 0.9))],
    ]);
    expect(releasedFraction('burst', 100, 1000)).toBe(0.5);
  });

  it('findCurveFaults names every fault of a list of points', () => {
    const faults = findCurveFaults([
      [0.1, 0],
      [0.5, 0.6],
      [0.4, 0.5],
      [1, 0.9],
    ]);
    expect(faults).toEqual([
      'must begin at [0, 0]',
      'must end at [1, 1]',
      'point 2 goes back in time',
      'point 2 takes packets back',
    ]);
  });

  it('findCurveFaults takes nothing from JSON that is no curve, and never throws', () => {
    const bad = [
      '',
      'EVEN',
      'toString',
      null,
      1,
      {},
      [],
      [[0, 0]],
      [[0, 0], 1],
      [[0, 0], [1]],
      [
        [0, 0],
        [2, 1],
      ],
      [
        ['0', 0],
        [1, 1],
      ],
    ];
    for (const curve of bad) expect(findCurveFaults(curve)).not.toEqual([]);
    const tooMany = Array.from({ length: curvePointsMax + 1 }, (_, i) => [i / curvePointsMax, i / curvePointsMax]);
    expect(findCurveFaults(tooMany)).not.toEqual([]);
    fc.assert(
      fc.property(fc.jsonValue(), (curve) => {
        if (findCurveFaults(curve).length === 0) expect(releasedFraction(curve as ReleaseCurve, 1, 1)).toBe(1);
      }),
    );
  });
});
