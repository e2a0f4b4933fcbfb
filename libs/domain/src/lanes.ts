import { assertIntegerIn } from './integers.ts';
import { packetRefOf } from './packet-id.ts';

/** Most lanes of one kind per event: far more than consumers can use, and it bounds the queues that a process opens. */
export const laneCountMax = 256;

/**
 * The open lane of a block, in [0, openLaneCount). The blocks of a pool take the lanes in turn, so that even a pool of a few
 * blocks loads all of them alike; each pool begins at another lane. Fixed for an event when it is armed: settled, outstanding
 * and reclaimed opens of a block must be looked for in the same lane (invariant 3).
 */
export function laneOfBlock(poolId: number, blockNo: number, openLaneCount: number): number {
  assertIntegerIn('openLaneCount', openLaneCount, 1, laneCountMax);
  return ((mix32(poolId) % openLaneCount) + blockNo) % openLaneCount;
}

/** The grab lane of a packet, in [0, grabLaneCount): all grabs of one share meet in one lane. */
export function laneOfPacket(packetId: bigint, grabLaneCount: number): number {
  assertIntegerIn('grabLaneCount', grabLaneCount, 1, laneCountMax);
  const { poolId, blockNo, index } = packetRefOf(packetId);
  return mix32(mix32(mix32(poolId) ^ blockNo) ^ index) % grabLaneCount;
}

/** The 32-bit finaliser of MurmurHash3: spreads neighbouring numbers; needs no key, lanes are no secret. */
function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
