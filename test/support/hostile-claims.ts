import { createHash } from 'node:crypto';
import { keyRingSchema } from '#libs/contracts';
import { type Claim, type ClaimKind, createKeyRing, signClaim, verifyClaim } from '#libs/domain';
import { rings } from './hostile-stage.ts';

const ringOf = (id: number, name: string) => createKeyRing([{ id, key: createHash('sha256').update(name).digest() }]);
const macBytes = 16;
/** Where things lie in a token: libs/domain, claims. */
const at = {
  version: 0,
  keyId: 1,
  kind: 2,
  eventId: 6,
  packetId: 14,
  epoch: 16,
  sponsorNo: 18,
  time: 24,
  userLength: 25,
  user: 26,
};

/** The claim of a token that this stage's old key signed. */
export function claimOf(kind: ClaimKind, token: string): Claim {
  return verifyClaim(createKeyRing(keyRingSchema.parse(rings.old)), kind, token)!;
}

/** Every way to be no token of this kind: each with what is wrong with it. */
export function forgeriesOf(kind: ClaimKind, good: string): [what: string, token: string][] {
  const claim = claimOf(kind, good);
  return [...texts(good), ...flipped(good), ...changed(good), ...resigned(kind, claim)];
}

/** Every byte with one bit changed. */
function flipped(good: string): [string, string][] {
  const { length } = Buffer.from(good, 'base64url');
  return Array.from({ length }, (_, byte) => [
    `bit ${byte % 8} of byte ${byte} flipped`,
    flip(good, byte, 1 << (byte % 8)),
  ]);
}

function flip(good: string, byte: number, mask: number): string {
  const bytes = Buffer.from(good, 'base64url');
  bytes[byte]! ^= mask;
  return bytes.toString('base64url');
}

/** The same bytes written in another way, more of them, or fewer. */
function texts(good: string): [string, string][] {
  const bytes = Buffer.from(good, 'base64url');
  const text = (...parts: Uint8Array[]) => Buffer.concat(parts).toString('base64url');
  const without = (n: number) => bytes.subarray(0, bytes.length - n);
  return [
    ...[1, 2, 4, 16, good.length - 1].map((n): [string, string] => [`cut by ${n}`, good.slice(0, -n)]),
    ['its first half', good.slice(0, good.length / 2)],
    ['without its signature', text(without(macBytes))],
    ['signed with zeros', text(without(macBytes), Buffer.alloc(macBytes))],
    ['its signature cut by a byte', text(without(1))],
    ['a byte more', text(bytes, Buffer.alloc(1))],
    ['twice', text(bytes, bytes)],
    ['padded', `${good}${'='.repeat(4 - (good.length % 4))}`],
    ['with spare bits set', spareBitSet(good)],
    ['a blank behind it', `${good}%20`],
    ['a dot in it', `${good.slice(0, 8)}.${good.slice(8)}`],
    ['in hexadecimal', bytes.toString('hex')],
    ['very long', good.repeat(30).slice(0, 200)],
    ['a session', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2ln'],
  ];
}

/** Another text of the same bytes, where their number leaves bits over. */
function spareBitSet(good: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return good.slice(0, -1) + digits[digits.indexOf(good.at(-1)!) + 1];
}

/** What a client would like to be otherwise. */
function changed(good: string): [string, string][] {
  return [
    ['of another version', flip(good, at.version, 3)],
    ['of a key that is not in the ring', flip(good, at.keyId, 8)],
    ['of the next key', flip(good, at.keyId, 3)],
    ['of another event', flip(good, at.eventId, 3)],
    ['for the packet beside it', flip(good, at.packetId, 1)],
    ['of another epoch', flip(good, at.epoch, 3)],
    ['of another sponsor', flip(good, at.sponsorNo, 1)],
    ['with more time', flip(good, at.time - 3, 0x10)],
    ['for a shorter name', flip(good, at.userLength, 1)],
    ['for another user', flip(good, at.user, 2)],
  ];
}

/** Well made, by somebody without the key, or for another purpose. */
function resigned(kind: ClaimKind, claim: Claim): [string, string][] {
  const kinds: readonly ClaimKind[] = ['ticket', 'receipt', 'share'];
  const own = createKeyRing(keyRingSchema.parse(rings.old));
  const others = kinds.filter((other) => other !== kind);
  return [
    ['signed with another key of the same id', signClaim(ringOf(1, 'guess'), claim)],
    ['signed with another key of another id', signClaim(ringOf(9, 'guess'), claim)],
    ['signed with a key of zeros', signClaim(createKeyRing([{ id: 1, key: Buffer.alloc(32) }]), claim)],
    ['signed with the next key', signClaim(createKeyRing(keyRingSchema.parse(rings.new)), claim)],
    ...others.map((other): [string, string] => [`a ${other}`, signClaim(own, { ...claim, kind: other })]),
    ...others.map((other): [string, string] => [
      `a ${other} called ${kind}`,
      relabelled(signClaim(own, { ...claim, kind: other }), kinds.indexOf(kind) + 1),
    ]),
  ];
}

function relabelled(token: string, kindCode: number): string {
  const bytes = Buffer.from(token, 'base64url');
  bytes[at.kind] = kindCode;
  return bytes.toString('base64url');
}
