import { assertIntegerIn } from './integers.ts';

/*
 * A block mask says which indexes an epoch may issue: index i is bit i & 7 (least significant first) of byte i >> 3. This is
 * the order of PostgreSQL's get_bit(bytea, i). Bits at and after the block's packet count are zero.
 */

/** Most packets in a block: the index has 8 bits in a packet id. */
export const blockSizeMax = 256;

/** The mask of a block of `size` packets (1 to 256) with every index set; ceil(size / 8) bytes. */
export function fullMask(size: number): Uint8Array {
  assertIntegerIn('size', size, 1, blockSizeMax);
  const mask = new Uint8Array(Math.ceil(size / 8)).fill(0xff);
  const spare = mask.length * 8 - size;
  mask[mask.length - 1] = 0xff >> spare;
  return mask;
}

/** The mask of what is left of a block of `size` packets when the `granted` indexes are gone (in any order, repeats allowed). */
export function maskFromGranted(size: number, granted: Iterable<number>): Uint8Array {
  const mask = fullMask(size);
  for (const index of granted) {
    assertIntegerIn('granted index', index, 0, size - 1);
    mask[index >> 3] = mask[index >> 3]! & ~(1 << (index & 7));
  }
  return mask;
}

/** True when the mask has the index set. */
export function hasIndex(mask: Uint8Array, index: number): boolean {
  return ((mask[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

/** The indexes that are set, ascending: the order in which a gateway issues them. */
export function indexesOf(mask: Uint8Array): number[] {
  const indexes: number[] = [];
  for (let index = 0; index < mask.length * 8; index++) {
    if (hasIndex(mask, index)) indexes.push(index);
  }
  return indexes;
}

/** How many indexes are set. */
export function countOf(mask: Uint8Array): number {
  let count = 0;
  for (const byte of mask) {
    // takes the lowest bit away until none is left
    for (let bits = byte; bits !== 0; bits &= bits - 1) count += 1;
  }
  return count;
}

/** True when no index is set. */
export function isEmpty(mask: Uint8Array): boolean {
  return mask.every((byte) => byte === 0);
}
