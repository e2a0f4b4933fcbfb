import { createHmac } from 'node:crypto';

/*
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the 1-3 variant is the hash of Rust's and
 * Ruby's tables) on pairs of 32-bit words, so that no BigInt is made. Without the key nobody can tell or choose a hash; with
 * it a hash of 16 bytes costs some tens of nanoseconds, an HMAC some microseconds.
 */

/** A 128-bit key as four signed 32-bit words. */
export interface HashKey {
  readonly k0Low: number;
  readonly k0High: number;
  readonly k1Low: number;
  readonly k1High: number;
}

/** The key in the first 16 bytes, little-endian as in the SipHash paper. Throws a RangeError when there are fewer. */
export function hashKeyOf(bytes: Buffer): HashKey {
  return {
    k0Low: bytes.readInt32LE(0),
    k0High: bytes.readInt32LE(4),
    k1Low: bytes.readInt32LE(8),
    k1High: bytes.readInt32LE(12),
  };
}

/** Fewest bytes of a secret that hash keys are derived from: the strength of the hash. */
const secretBytesMin = 32;

/**
 * Derives a hash key for one use from a longer-lived secret: HMAC-SHA-256(secret, "hongbao/v1/hash/" ‖ use), cut to 16 bytes.
 * Throws a RangeError for a secret of less than 32 bytes.
 */
export function deriveHashKey(secret: Buffer, use: string): HashKey {
  if (secret.length < secretBytesMin) throw new RangeError(`secret has less than ${secretBytesMin} bytes`);
  return hashKeyOf(createHmac('sha256', secret).update(`hongbao/v1/hash/${use}`).digest());
}

/**
 * SipHash-1-3 of the first `wordCount` words (an even number) of a message that is already padded: little-endian 64-bit words as
 * pairs low, high, the last one holding the spare bytes and the length in its top byte. The hash is put into `out`: [low, high].
 */
export function sipHash13(key: HashKey, words: Int32Array, wordCount: number, out: Int32Array): void {
  let v0l = key.k0Low ^ 0x70736575;
  let v0h = key.k0High ^ 0x736f6d65;
  let v1l = key.k1Low ^ 0x6e646f6d;
  let v1h = key.k1High ^ 0x646f7261;
  let v2l = key.k0Low ^ 0x6e657261;
  let v2h = key.k0High ^ 0x6c796765;
  let v3l = key.k1Low ^ 0x79746573;
  let v3h = key.k1High ^ 0x74656462;
  // one round per message word, then three to finish: `at` runs on past the message so that the round is written once
  for (let at = 0; at < wordCount + 6; at += 2) {
    const low = at < wordCount ? words[at]! : 0;
    const high = at < wordCount ? words[at + 1]! : 0;
    v3l ^= low;
    v3h ^= high;
    if (at === wordCount) v2l ^= 0xff;
    let sum = (v0l >>> 0) + (v1l >>> 0);
    v0h = (v0h + v1h + (sum > 0xffffffff ? 1 : 0)) | 0;
    v0l = sum | 0;
    let swap = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
    v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h;
    v1l = swap;
    swap = v0l;
    v0l = v0h;
    v0h = swap;
    sum = (v2l >>> 0) + (v3l >>> 0);
    v2h = (v2h + v3h + (sum > 0xffffffff ? 1 : 0)) | 0;
    v2l = sum | 0;
    swap = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
    v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
    v3l = swap;
    sum = (v0l >>> 0) + (v3l >>> 0);
    v0h = (v0h + v3h + (sum > 0xffffffff ? 1 : 0)) | 0;
    v0l = sum | 0;
    swap = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
    v3l = swap;
    sum = (v2l >>> 0) + (v1l >>> 0);
    v2h = (v2h + v1h + (sum > 0xffffffff ? 1 : 0)) | 0;
    v2l = sum | 0;
    swap = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
    v1l = swap;
    swap = v2l;
    v2l = v2h;
    v2h = swap;
    v0l ^= low;
    v0h ^= high;
  }
  out[0] = v0l ^ v1l ^ v2l ^ v3l;
  out[1] = v0h ^ v1h ^ v2h ^ v3h;
}

/** Packs bytes as sipHash13 wants them: zero-padded, with the length (modulo 256) in the top byte of the last word. */
export function sipWordsOf(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((Math.floor(bytes.length / 8) + 1) * 2);
  for (const [i, byte] of bytes.entries()) words[i >> 2]! |= byte << ((i & 3) * 8);
  words[words.length - 1]! |= bytes.length << 24;
  return words;
}

/** A hash as a fraction: its top 53 bits over 2^53, uniform in [0, 1). */
export function fractionOf(low: number, high: number): number {
  return ((high >>> 0) * 0x20_0000 + (low >>> 11)) / 0x20_0000_0000_0000;
}
