import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { assertIntegerIn } from './integers.ts';

/*
 * The key ring of everything that gateways sign. The first key signs and all keys verify, so a key is rotated by putting the
 * new one second on every process, then first, then dropping the old one when the last token it signed is past.
 *
 * Each purpose has a sub-key of its own, HMAC-SHA-256(key, "hongbao/v1/mac/" ‖ purpose): a token of one kind can never verify
 * as another, whatever its bytes are.
 */

/** What tokens are signed for. */
export type MacPurpose = 'ticket' | 'receipt' | 'share' | 'shake-state';

const purposes: readonly MacPurpose[] = ['ticket', 'receipt', 'share', 'shake-state'];

/** Bytes of a MAC: HMAC-SHA-256 cut to 128 bits, which nobody guesses online, and short enough for a phone's header. */
export const macBytes = 16;

/** SHA-256 takes its input in blocks of this size. */
const hashBlockBytes = 64;

/** Fewest bytes of a key: the strength of the hash. */
export const ringKeyBytesMin = 32;

/** Most keys of a ring: the signing one, its successor and some that fade out. */
export const ringKeysMax = 8;

/** Largest key id: it has one byte in a token. */
export const ringKeyIdMax = 255;

export interface RingKey {
  readonly id: number;
  readonly subKeys: Readonly<Record<MacPurpose, MacKey>>;
}

/** A key as HMAC needs it (RFC 2104): what is hashed before the message, and before the hash of that. */
interface MacKey {
  readonly innerPad: Buffer;
  readonly outerPad: Buffer;
}

/** Keys by id; made by createKeyRing. */
export interface KeyRing {
  readonly signing: RingKey;
  readonly byId: ReadonlyMap<number, RingKey>;
}

/**
 * Makes a ring of 1 to 8 keys with distinct ids (0 to 255) and at least 32 bytes each; the first one signs.
 * Throws a RangeError otherwise.
 */
export function createKeyRing(keys: readonly { readonly id: number; readonly key: Buffer }[]): KeyRing {
  assertIntegerIn('number of ring keys', keys.length, 1, ringKeysMax);
  const ringKeys = keys.map(({ id, key }) => createRingKey(id, key));
  const byId = new Map(ringKeys.map((key) => [key.id, key]));
  if (byId.size !== ringKeys.length) throw new RangeError('two ring keys have the same id');
  return { signing: ringKeys[0]!, byId };
}

function createRingKey(id: number, key: Buffer): RingKey {
  assertIntegerIn('ring key id', id, 0, ringKeyIdMax);
  if (key.length < ringKeyBytesMin) throw new RangeError(`ring key ${id} has less than ${ringKeyBytesMin} bytes`);
  const subKeyOf = (purpose: MacPurpose): MacKey =>
    macKeyOf(createHmac('sha256', key).update(`hongbao/v1/mac/${purpose}`).digest());
  const subKeys = Object.fromEntries(purposes.map((purpose) => [purpose, subKeyOf(purpose)]));
  return { id, subKeys: subKeys as Record<MacPurpose, MacKey> };
}

/** @param key at most a block of SHA-256 long, as sub-keys are. */
function macKeyOf(key: Buffer): MacKey {
  const block = Buffer.concat([key, Buffer.alloc(hashBlockBytes - key.length)]);
  return { innerPad: block.map((byte) => byte ^ 0x36) as Buffer, outerPad: block.map((byte) => byte ^ 0x5c) as Buffer };
}

/**
 * The MAC of `message` for one purpose, 16 bytes: HMAC-SHA-256 by two plain hashes. `createHmac` makes an object with memory of its own outside
 * of V8 each time, a third slower and more for the collector of garbage; an open needs four MACs.
 */
export function macOf(key: RingKey, purpose: MacPurpose, message: Uint8Array): Buffer {
  const { innerPad, outerPad } = key.subKeys[purpose];
  const inner = hash('sha256', Buffer.concat([innerPad, message]), 'buffer');
  return hash('sha256', Buffer.concat([outerPad, inner]), 'buffer').subarray(0, macBytes);
}

/** Compares in constant time; `mac` must have 16 bytes. */
export function macMatches(key: RingKey, purpose: MacPurpose, message: Uint8Array, mac: Uint8Array): boolean {
  return timingSafeEqual(macOf(key, purpose, message), mac);
}

/**
 * Reads base64url text of at most `textLengthMax` characters; undefined unless it is the canonical form of its bytes. Buffer
 * skips what it does not know and ignores spare bits, so several texts would else carry one token.
 */
export function bytesOfToken(text: string, textLengthMax: number): Buffer | undefined {
  if (text.length > textLengthMax) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** Length of the base64url text of `byteCount` bytes, without padding. */
export function tokenLength(byteCount: number): number {
  return Math.ceil((byteCount * 4) / 3);
}
