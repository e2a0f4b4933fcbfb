import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mulDivFloor } from './money.ts';

describe('money', () => {
  it('mulDivFloor equals exact integer arithmetic wherever the result is a safe integer', () => {
    const safe = fc.maxSafeNat();
    fc.assert(
      fc.property(safe, safe, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (a, b, c) => {
        const exact = (BigInt(a) * BigInt(b)) / BigInt(c);
        if (exact > BigInt(Number.MAX_SAFE_INTEGER)) expect(() => mulDivFloor(a, b, c)).toThrow(RangeError);
        else expect(mulDivFloor(a, b, c)).toBe(Number(exact));
      }),
    );
  });

  it('mulDivFloor does not round a quotient up that lies just under a whole number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 94_906_265 }), fc.integer({ min: 2, max: 94_906_265 }), (n, c) => {
        // n · c − 1 over c is n − 1/c: the division of doubles would be tempted to say n
        expect(mulDivFloor(n * c - 1, 1, c)).toBe(n - 1);
      }),
    );
  });

  it('refuses factors that are negative, fractional or no numbers, and division by zero', () => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => mulDivFloor(bad, 1, 1)).toThrow(RangeError);
      expect(() => mulDivFloor(1, bad, 1)).toThrow(RangeError);
      expect(() => mulDivFloor(1, 1, bad)).toThrow(RangeError);
    }
    expect(() => mulDivFloor(1, 1, 0)).toThrow(RangeError);
  });
});
