import { assertIntegerIn } from './integers.ts';

/** An amount of money in fen (1 yuan = 100 fen): a non-negative safe integer. Never a fraction. */
export type Fen = number;

/** Largest amount anywhere, 90 trillion yuan: below 2^53, so every sum that stays under it is exact in a JS number. */
export const fenMax: Fen = 9_000_000_000_000_000;

/**
 * floor(a × b / c), exact for non-negative safe integers a and b and a positive c. The product may need up to 106 bits,
 * so it is made with BigInt when a number could not hold it. Throws a RangeError when the result is not a safe integer.
 */
export function mulDivFloor(a: number, b: number, c: number): number {
  assertIntegerIn('a', a, 0, Number.MAX_SAFE_INTEGER);
  assertIntegerIn('b', b, 0, Number.MAX_SAFE_INTEGER);
  assertIntegerIn('c', c, 1, Number.MAX_SAFE_INTEGER);
  const product = a * b;
  if (product <= Number.MAX_SAFE_INTEGER) return (product - (product % c)) / c;
  const result = Number((BigInt(a) * BigInt(b)) / BigInt(c));
  assertIntegerIn('a × b / c', result, 0, Number.MAX_SAFE_INTEGER);
  return result;
}
