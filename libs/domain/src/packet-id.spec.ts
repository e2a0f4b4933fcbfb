import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blockNoMax,
  packetIdMax,
  packetIdOf,
  packetIndexMax,
  packetRefOf,
  parsePacketId,
  poolIdMax,
} from './packet-id.ts';

const anyRef = fc.record({
  poolId: fc.integer({ min: 0, max: poolIdMax }),
  blockNo: fc.integer({ min: 0, max: blockNoMax }),
  index: fc.integer({ min: 0, max: packetIndexMax }),
});

describe('packet ids', () => {
  it('no two references share an id: every reference comes back from its id', () => {
    fc.assert(
      fc.property(anyRef, (ref) => {
        const id = packetIdOf(ref);
        expect(id >= 0n && id <= packetIdMax).toBe(true);
        expect(packetRefOf(id)).toEqual(ref);
      }),
    );
  });

  it('no id is left over: every 63-bit number is the id of its reference', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: packetIdMax }), (id) => {
        expect(packetIdOf(packetRefOf(id))).toBe(id);
      }),
    );
  });

  it('neighbours in pool, block and index never meet, at the edges of their bits either', () => {
    const edges = (max: number): number[] => [0, 1, max - 1, max];
    const ids = edges(poolIdMax).flatMap((poolId) =>
      edges(blockNoMax).flatMap((blockNo) =>
        edges(packetIndexMax).map((index) => packetIdOf({ poolId, blockNo, index })),
      ),
    );
    expect(new Set(ids).size).toBe(64);
    expect(packetIdOf({ poolId: poolIdMax, blockNo: blockNoMax, index: packetIndexMax })).toBe(packetIdMax);
  });

  it('an id has one text: its decimal digits parse back and nothing else does', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: packetIdMax }), (id) => {
        expect(parsePacketId(`${id}`)).toBe(id);
        for (const other of [`0${id}`, `+${id}`, `-${id}`, ` ${id}`, `${id}\n`, `${id}.0`, `${id}n`, `0x${id}`]) {
          expect(parsePacketId(other)).toBeUndefined();
        }
      }),
    );
  });

  it('any string parses to an id with this text or to undefined, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,30}$/)), (text) => {
        const id = parsePacketId(text);
        if (id !== undefined) expect(`${packetIdOf(packetRefOf(id))}`).toBe(text);
      }),
    );
    expect(parsePacketId(`${packetIdMax + 1n}`)).toBeUndefined();
    expect(parsePacketId('')).toBeUndefined();
  });

  it('refuses parts that do not fit their bits', () => {
    const ref = { poolId: 1, blockNo: 1, index: 1 };
    expect(() => packetIdOf({ ...ref, poolId: poolIdMax + 1 })).toThrow(/poolId/);
    expect(() => packetIdOf({ ...ref, blockNo: blockNoMax + 1 })).toThrow(/blockNo/);
    expect(() => packetIdOf({ ...ref, index: packetIndexMax + 1 })).toThrow(/index/);
    expect(() => packetIdOf({ ...ref, index: -1 })).toThrow(/index/);
    expect(() => packetRefOf(packetIdMax + 1n)).toThrow(RangeError);
    expect(() => packetRefOf(-1n)).toThrow(RangeError);
  });
});
