import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockSizeMax, countOf, fullMask, hasIndex, indexesOf, isEmpty, maskFromGranted } from './block-mask.ts';

const anySize = fc.integer({ min: 1, max: blockSizeMax });
const anyGranted = anySize.chain((size) =>
  fc.tuple(fc.constant(size), fc.array(fc.nat(size - 1), { maxLength: 2 * blockSizeMax })),
);

describe('block masks', () => {
  it('a full mask has exactly the indexes of its block, in as few bytes as hold them', () => {
    fc.assert(
      fc.property(anySize, (size) => {
        const mask = fullMask(size);
        expect(indexesOf(mask)).toEqual(Array.from({ length: size }, (_, i) => i));
        expect(mask.length).toBe(Math.ceil(size / 8));
        expect(isEmpty(mask)).toBe(false);
      }),
    );
  });

  it('granted and left indexes are apart and together the whole block', () => {
    fc.assert(
      fc.property(anyGranted, ([size, granted]) => {
        const mask = maskFromGranted(size, granted);
        const left = indexesOf(mask);
        expect([...new Set([...left, ...granted])].length).toBe(size);
        expect(left.some((index) => granted.includes(index))).toBe(false);
        expect(countOf(mask)).toBe(size - new Set(granted).size);
        expect(isEmpty(mask)).toBe(left.length === 0);
        for (let index = 0; index < size; index++) expect(hasIndex(mask, index)).toBe(left.includes(index));
      }),
    );
  });

  it('bits lie as get_bit of PostgreSQL counts them: least significant first', () => {
    expect([...maskFromGranted(10, [0, 9])]).toEqual([0b1111_1110, 0b0000_0001]);
  });

  it('refuses sizes and indexes outside the block, and has no index beyond its bytes', () => {
    for (const size of [0, -1, blockSizeMax + 1, 1.5]) expect(() => fullMask(size)).toThrow(RangeError);
    expect(() => maskFromGranted(10, [10])).toThrow(RangeError);
    expect(() => maskFromGranted(10, [-1])).toThrow(RangeError);
    expect(hasIndex(fullMask(256), 256)).toBe(false);
  });
});
