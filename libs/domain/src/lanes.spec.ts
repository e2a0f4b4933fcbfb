import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { laneCountMax, laneOfBlock, laneOfPacket } from './lanes.ts';
import { blockNoMax, packetIdMax, packetIdOf, poolIdMax } from './packet-id.ts';

const anyLaneCount = fc.integer({ min: 1, max: laneCountMax });
const anyPool = fc.integer({ min: 0, max: poolIdMax });

describe('lanes', () => {
  it('every block and packet has one lane of those there are', () => {
    const anyBlock = fc.integer({ min: 0, max: blockNoMax });
    const anyPacket = fc.bigInt({ min: 0n, max: packetIdMax });
    fc.assert(
      fc.property(anyPool, anyBlock, anyPacket, anyLaneCount, (poolId, blockNo, packetId, laneCount) => {
        for (const lane of [laneOfBlock(poolId, blockNo, laneCount), laneOfPacket(packetId, laneCount)]) {
          expect(Number.isInteger(lane) && lane >= 0 && lane < laneCount).toBe(true);
        }
        expect(laneOfBlock(poolId, blockNo, laneCount)).toBe(laneOfBlock(poolId, blockNo, laneCount));
      }),
    );
  });

  it('as many neighbouring blocks of a pool as there are lanes load every lane once', () => {
    fc.assert(
      fc.property(anyPool, fc.nat(1_000_000), anyLaneCount, (poolId, firstBlock, laneCount) => {
        const lanes = Array.from({ length: laneCount }, (_, i) => laneOfBlock(poolId, firstBlock + i, laneCount));
        expect(new Set(lanes).size).toBe(laneCount);
      }),
    );
  });

  it('the packets of one block spread over the grab lanes alike', () => {
    for (const laneCount of [2, 3, 8]) {
      const counts = new Array<number>(laneCount).fill(0);
      for (let i = 0; i < 8192; i++) {
        const packetId = packetIdOf({ poolId: 7, blockNo: i >> 8, index: i & 255 });
        const lane = laneOfPacket(packetId, laneCount);
        counts[lane] = counts[lane]! + 1;
      }
      const expected = 8192 / laneCount;
      // five standard deviations of a fair spread
      for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected));
    }
  });

  it('refuses lane counts that no event has', () => {
    for (const count of [0, -1, 1.5, laneCountMax + 1, Number.NaN]) {
      expect(() => laneOfBlock(1, 1, count)).toThrow(RangeError);
      expect(() => laneOfPacket(1n, count)).toThrow(RangeError);
    }
  });
});
