import { deriveHashKey, fractionOf, type HashKey, sipHash13, sipWordsOf } from './sip-hash.ts';

/*
 * Luck: a keyed hash of user and time slot. The same user meets the same luck in one slot on every gateway and connection, so
 * shaking faster, or in more places, wins nothing; without the key nobody can search for lucky user ids or slots.
 *
 * The user id is hashed once per session (userHashOf); everything per shake is a hash of fixed length over that, without an
 * allocation. The same user hash places the user's start in the stagger and ranks it when the load is thinned (user-priority.ts).
 */

/** 64 bits that stand for a user: two signed 32-bit words. */
export interface UserHash {
  readonly low: number;
  readonly high: number;
}

/** Scratch of fractionOfUser: filled and read within one synchronous call. */
const message = new Int32Array(8);
const hash = new Int32Array(2);
/** The last message word of SipHash holds the length in its top byte: 24 bytes here. */
const messageLengthWord = 24 << 24;

/** The key of user hashes; the same for all events and gateways. `secret`: at least 32 bytes. */
export function userHashKeyOf(secret: Buffer): HashKey {
  return deriveHashKey(secret, 'user');
}

/** The luck key of one event; the same on all gateways. `secret`: at least 32 bytes. */
export function luckKeyOf(secret: Buffer, eventId: number): HashKey {
  return deriveHashKey(secret, `luck/${eventId}`);
}

/** The hash of a user id: once per session. */
export function userHashOf(key: HashKey, userId: string): UserHash {
  const words = sipWordsOf(Buffer.from(userId, 'utf8'));
  sipHash13(key, words, words.length, hash);
  return { low: hash[0]!, high: hash[1]! };
}

/** The luck of a user in a slot (see shakeSlot): uniform in [0, 1), independent between users, slots and events. A win is luck < chance. */
export function luckOf(key: HashKey, user: UserHash, slot: number): number {
  return fractionOfUser(key, user, 0, slot);
}

/** The number of the user's shake interval at `nowMs`: each user's slots begin at its own offset. Intervals in milliseconds. */
export function shakeSlot(nowMs: number, userOffsetMs: number, shakeIntervalMs: number): number {
  return Math.floor((nowMs - userOffsetMs) / shakeIntervalMs);
}

/** What tells the fixed-key hashes apart. The user hash is secret already, so their key need not be. */
const staggerKey: HashKey = { k0Low: 0x73746167, k0High: 0x67657200, k1Low: 0x686f6e67, k1High: 0x62616f31 };

/** How long after the event's start the user may begin to shake: whole milliseconds in [0, staggerMs), 0 without a stagger. */
export function startOffsetMs(eventId: number, user: UserHash, staggerMs: number): number {
  return Math.floor(fractionOfUser(staggerKey, user, eventId, 0) * staggerMs);
}

/**
 * A uniform fraction in [0, 1) of a user, a 32-bit number and a safe integer.
 * @internal shared with user-priority.ts
 */
export function fractionOfUser(key: HashKey, user: UserHash, number32: number, safeInteger: number): number {
  message[0] = user.low;
  message[1] = user.high;
  message[2] = number32;
  message[3] = 0;
  message[4] = safeInteger | 0;
  message[5] = Math.floor(safeInteger / 0x1_0000_0000);
  message[6] = 0;
  message[7] = messageLengthWord;
  sipHash13(key, message, 8, hash);
  return fractionOf(hash[0]!, hash[1]!);
}
