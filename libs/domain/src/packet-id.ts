import { assertIntegerIn } from './integers.ts';

/*
 * A packet id is one 63-bit number: pool (24 bits) | block (31 bits) | index in the block (8 bits). 63 bits keep it positive
 * in a PostgreSQL bigint; every value of the 63 bits is exactly one reference, so no two packets can share an id.
 */

/** Largest pool id: pool ids come from one global identity and have 24 bits. */
export const poolIdMax = 2 ** 24 - 1;
/** Largest block number of a pool: 31 bits, so that it is an int in PostgreSQL. */
export const blockNoMax = 2 ** 31 - 1;
/** Largest index in a block: 8 bits, for blocks of up to 256 packets. */
export const packetIndexMax = 255;
/** Largest packet id, 2^63 − 1. */
export const packetIdMax = (1n << 63n) - 1n;

/** Where a packet is: pool, block of the pool, index in the block. */
export interface PacketRef {
  readonly poolId: number;
  readonly blockNo: number;
  readonly index: number;
}

/** The id of a packet. Throws a RangeError when a part is out of its bits. */
export function packetIdOf(ref: PacketRef): bigint {
  assertIntegerIn('poolId', ref.poolId, 0, poolIdMax);
  assertIntegerIn('blockNo', ref.blockNo, 0, blockNoMax);
  assertIntegerIn('index', ref.index, 0, packetIndexMax);
  return (BigInt(ref.poolId) << 39n) | BigInt(ref.blockNo * 256 + ref.index);
}

/** The reference behind an id. Throws a RangeError for a bigint outside [0, 2^63). */
export function packetRefOf(id: bigint): PacketRef {
  if (id < 0n || id > packetIdMax) throw new RangeError(`packet id must have 63 bits, is ${id}`);
  const low = Number(id & 0x7f_ffff_ffffn);
  return { poolId: Number(id >> 39n), blockNo: Math.floor(low / 256), index: low % 256 };
}

/** Decimal digits without sign and leading zeros: an id has one text only, so it can be compared as text. */
const canonicalDecimal = /^(?:0|[1-9][0-9]{0,18})$/;

/** Reads an id from its JSON form, the canonical decimal string; undefined for anything else. */
export function parsePacketId(text: string): bigint | undefined {
  if (!canonicalDecimal.test(text)) return undefined;
  const id = BigInt(text);
  return id <= packetIdMax ? id : undefined;
}
