/** The middle value; the mean of the two in the middle of an even number. @throws RangeError without values. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[upper]! : (sorted[upper - 1]! + sorted[upper]!) / 2;
}

/** The value that the part `fraction` of ascending values does not exceed (nearest rank). @throws RangeError without values. */
export function quantile(sorted: ArrayLike<number>, fraction: number): number {
  if (sorted.length === 0) throw new RangeError('no quantile of nothing');
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)]!;
}

export interface Paired {
  /** Median of the ratios of the pairs. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Of values measured next to each other, `value / beside`: what disturbs both does not count. */
export function pairedRatio(values: readonly number[], beside: readonly number[]): Paired {
  if (values.length !== beside.length) throw new RangeError(`${values.length} values beside ${beside.length}`);
  const ratios = values.map((value, at) => value / beside[at]!);
  return { ratio: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}

/** The list begun at another place each round, so that nobody is always first: 0 a b c, 1 b c a, … */
export function rotated<T>(list: readonly T[], round: number): T[] {
  const at = round % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** Three decimals are more than any figure here is good for. */
export const rounded = (value: number): number => Math.round(value * 1000) / 1000;
