import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveHashKey, fractionOf, hashKeyOf, sipHash13, sipWordsOf } from './sip-hash.ts';

const mask64 = (1n << 64n) - 1n;
const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask64;

function round(v: [bigint, bigint, bigint, bigint]): void {
  v[0] = (v[0] + v[1]) & mask64;
  v[1] = rotate(v[1], 13n) ^ v[0];
  v[0] = rotate(v[0], 32n);
  v[2] = (v[2] + v[3]) & mask64;
  v[3] = rotate(v[3], 16n) ^ v[2];
  v[0] = (v[0] + v[3]) & mask64;
  v[3] = rotate(v[3], 21n) ^ v[0];
  v[2] = (v[2] + v[1]) & mask64;
  v[1] = rotate(v[1], 17n) ^ v[2];
  v[2] = rotate(v[2], 32n);
}

/** SipHash-c-d from the paper's definition, on 64-bit integers. */
function sipHashByDefinition(key: Buffer, message: Buffer, c: number, d: number): bigint {
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
  const v: [bigint, bigint, bigint, bigint] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const padded = Buffer.alloc((Math.floor(message.length / 8) + 1) * 8);
  message.copy(padded);
  padded[padded.length - 1] = message.length & 255;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    v[3] ^= word;
    for (let i = 0; i < c; i++) round(v);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  for (let i = 0; i < d; i++) round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

function sipHash13Of(key: Buffer, message: Buffer): bigint {
  const words = sipWordsOf(message);
  const out = new Int32Array(2);
  sipHash13(hashKeyOf(key), words, words.length, out);
  return (BigInt(out[1]! >>> 0) << 32n) | BigInt(out[0]! >>> 0);
}

const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i));
const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));

describe('SipHash', () => {
  it('the definition that the tests compare with gives the test vectors of the SipHash paper', () => {
    expect(sipHashByDefinition(counting(16), counting(0), 2, 4)).toBe(0x726fdb47dd0e0e31n);
    expect(sipHashByDefinition(counting(16), counting(15), 2, 4)).toBe(0xa129ca6149be45e5n);
  });

  it('sipHash13 on 32-bit words equals the definition for every key and message', () => {
    expect(sipHash13Of(counting(16), counting(0))).toBe(0xabac0158050fc4dcn);
    fc.assert(
      fc.property(bytes(16, 16), bytes(0, 300), (key, message) => {
        expect(sipHash13Of(key, message)).toBe(sipHashByDefinition(key, message, 1, 3));
      }),
    );
  });

  it('a key needs 16 bytes and a secret 32, and derived keys differ by secret and by use', () => {
    expect(() => hashKeyOf(counting(15))).toThrow(RangeError);
    expect(() => deriveHashKey(Buffer.alloc(31), 'a')).toThrow(RangeError);
    const secret = Buffer.alloc(32, 1);
    expect(deriveHashKey(secret, 'a')).toEqual(deriveHashKey(secret, 'a'));
    expect(deriveHashKey(secret, 'a')).not.toEqual(deriveHashKey(secret, 'b'));
    expect(deriveHashKey(secret, 'a')).not.toEqual(deriveHashKey(Buffer.alloc(32, 2), 'a'));
  });

  it('the fraction of a hash is its top 53 bits, from 0 to just under 1', () => {
    expect(fractionOf(0, 0)).toBe(0);
    expect(fractionOf(-1, -1)).toBe(1 - 2 ** -53);
    expect(fractionOf(0, 0x8000_0000 | 0)).toBe(0.5);
    expect(fractionOf(1 << 11, 0)).toBe(2 ** -53);
  });
});
