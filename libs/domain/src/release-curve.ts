import { isIntegerIn } from './integers.ts';

/** A point of a curve: fraction of the wave's time, fraction of the pool's packets released by then. */
export type CurvePoint = readonly [fractionOfTime: number, fractionReleased: number];

export type NamedCurve = 'even' | 'front' | 'back' | 'burst';

/**
 * How a pool's packets are released over its wave: a name, or points that are joined by straight lines. Points go from [0, 0]
 * to [1, 1] and never back; two points at one time are a step, whose upper end counts from that time on.
 */
export type ReleaseCurve = NamedCurve | readonly CurvePoint[];

/** Most points of a curve: more detail than a wave of minutes can show, and it bounds the row. */
export const curvePointsMax = 100;

/** even: steady. front: three quarters in the first half. back: a quarter in the first half. burst: half in the first tenth. */
const namedCurves: Readonly<Record<NamedCurve, readonly CurvePoint[]>> = {
  even: [
    [0, 0],
    [1, 1],
  ],
  front: [
    [0, 0],
    [0.5, 0.75],
    [1, 1],
  ],
  back: [
    [0, 0],
    [0.5, 0.25],
    [1, 1],
  ],
  burst: [
    [0, 0],
    [0.1, 0.5],
    [1, 1],
  ],
};

export const curveNames = Object.keys(namedCurves) as readonly NamedCurve[];

/**
 * The fraction released `elapsedMs` after the wave began, in [0, 1]: 0 before it, 1 from `durationMs` on, and never falling
 * in between. Expects a curve without faults.
 */
export function releasedFraction(curve: ReleaseCurve, elapsedMs: number, durationMs: number): number {
  if (elapsedMs < 0) return 0;
  if (elapsedMs >= durationMs) return 1;
  return fractionAt(pointsOf(curve), elapsedMs / durationMs);
}

/** The number of packets released by then: a whole number in [0, packetCount], all of them from `durationMs` on. */
export function releasedPackets(
  curve: ReleaseCurve,
  elapsedMs: number,
  durationMs: number,
  packetCount: number,
): number {
  return Math.floor(releasedFraction(curve, elapsedMs, durationMs) * packetCount);
}

/**
 * The slowest rise of the curve, in fractions released per fraction of time; where it stands still or steps does not count. Infinite
 * for a curve of steps alone. Expects a curve without faults.
 */
export function slowestRise(curve: ReleaseCurve): number {
  const points = pointsOf(curve);
  let slowest = Number.POSITIVE_INFINITY;
  for (let i = 1; i < points.length; i++) {
    const [time, released] = [points[i]![0] - points[i - 1]![0], points[i]![1] - points[i - 1]![1]];
    if (time > 0 && released > 0) slowest = Math.min(slowest, released / time);
  }
  return slowest;
}

function pointsOf(curve: ReleaseCurve): readonly CurvePoint[] {
  return typeof curve === 'string' ? namedCurves[curve] : curve;
}

/** Interpolates at `time` in [0, 1): the last point at or before it, and the line to the next one. */
function fractionAt(points: readonly CurvePoint[], time: number): number {
  const after = points.findIndex(([at]) => at > time);
  const [fromTime, fromReleased] = points[after - 1]!;
  const [toTime, toReleased] = points[after]!;
  const risen = (toReleased - fromReleased) * ((time - fromTime) / (toTime - fromTime));
  // rounding may carry the sum a hair over the line's upper end, and the next line starts exactly there
  return Math.min(fromReleased + risen, toReleased);
}

/** Every fault of a curve as read from JSON, each a sentence; empty when it is a ReleaseCurve. */
export function findCurveFaults(curve: unknown): string[] {
  if (typeof curve === 'string') {
    return Object.hasOwn(namedCurves, curve) ? [] : [`is no known curve: use ${curveNames.join(', ')} or points`];
  }
  if (!Array.isArray(curve)) return ['must be the name of a curve or a list of points'];
  if (!isIntegerIn(curve.length, 2, curvePointsMax)) return [`must have 2 to ${curvePointsMax} points`];
  const misshapen = curve.findIndex((point) => !isCurvePoint(point));
  if (misshapen >= 0) return [`point ${misshapen} must be [fraction of time, fraction released], both in [0, 1]`];
  return findOrderFaults(curve);
}

function findOrderFaults(points: readonly CurvePoint[]): string[] {
  const faults: string[] = [];
  const [first, last] = [points[0]!, points[points.length - 1]!];
  if (first[0] !== 0 || first[1] !== 0) faults.push('must begin at [0, 0]');
  if (last[0] !== 1 || last[1] !== 1) faults.push('must end at [1, 1]');
  for (let i = 1; i < points.length; i++) {
    if (points[i]![0] < points[i - 1]![0]) faults.push(`point ${i} goes back in time`);
    if (points[i]![1] < points[i - 1]![1]) faults.push(`point ${i} takes packets back`);
  }
  return faults;
}

function isCurvePoint(point: unknown): point is CurvePoint {
  return Array.isArray(point) && point.length === 2 && point.every(isFraction);
}

function isFraction(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1;
}
