import { epochMax } from './block-state.ts';
import { assertIntegerIn } from './integers.ts';
import { bytesOfToken, type KeyRing, macBytes, macMatches, macOf, tokenLength } from './key-ring.ts';
import { packetIdMax } from './packet-id.ts';
import { isUserId, userIdLengthMax } from './user-id.ts';

/*
 * The signed claims: a ticket (this user may open this packet), a receipt (an open was accepted) and a share (friends may grab
 * from this packet). One binary layout, big-endian, in base64url text:
 *
 *   0 version  1 key id  2 kind  3 eventId u32  7 packetId u64  15 epoch u16  17 sponsorNo u16  19 atMs u48
 *   25 user id length u8  26 user id, ASCII  then the MAC, 16 bytes, over all bytes before it
 *
 * A token has one text only: a text that decodes but is not the canonical form is refused.
 */

export type ClaimKind = 'ticket' | 'receipt' | 'share';

export interface Claim {
  readonly kind: ClaimKind;
  readonly eventId: number;
  readonly packetId: bigint;
  readonly epoch: number;
  readonly sponsorNo: number;
  /** Store-clock milliseconds: when a ticket or share expires; when the open of a receipt was accepted. */
  readonly atMs: number;
  /** Who won the packet. */
  readonly userId: string;
}

const kindCodes: Readonly<Record<ClaimKind, number>> = { ticket: 1, receipt: 2, share: 3 };

const claimVersion = 1;
const headBytes = 26;

/** Event ids are PostgreSQL ints. */
export const eventIdMax = 2 ** 31 - 1;
/** Sponsor numbers are PostgreSQL smallints. */
export const sponsorNoMax = 2 ** 15 - 1;
/** Times have 48 bits: milliseconds until the year 10889. */
export const claimAtMsMax = 2 ** 48 - 1;
/** Longest text of a claim in characters. */
export const claimLengthMax = tokenLength(headBytes + userIdLengthMax + macBytes);

/** Signs a claim with the ring's first key: at most `claimLengthMax` URL-safe characters. Throws a RangeError for a field out of range. */
export function signClaim(ring: KeyRing, claim: Claim): string {
  assertClaim(claim);
  const { signing } = ring;
  const bodyLength = headBytes + claim.userId.length;
  const bytes = Buffer.allocUnsafe(bodyLength + macBytes);
  bytes[0] = claimVersion;
  bytes[1] = signing.id;
  bytes[2] = kindCodes[claim.kind];
  bytes.writeUInt32BE(claim.eventId, 3);
  bytes.writeBigUInt64BE(claim.packetId, 7);
  bytes.writeUInt16BE(claim.epoch, 15);
  bytes.writeUInt16BE(claim.sponsorNo, 17);
  bytes.writeUIntBE(claim.atMs, 19, 6);
  bytes[25] = claim.userId.length;
  bytes.write(claim.userId, headBytes, 'latin1');
  macOf(signing, claim.kind, bytes.subarray(0, bodyLength)).copy(bytes, bodyLength);
  return bytes.toString('base64url');
}

/**
 * The claim behind a text, if it is one of this kind that a key of the ring signed; undefined for anything else. Says nothing
 * about time or user: the caller compares `atMs` and `userId`.
 */
export function verifyClaim(ring: KeyRing, kind: ClaimKind, text: string): Claim | undefined {
  const bytes = bytesOfToken(text, claimLengthMax);
  if (bytes === undefined || bytes.length < headBytes + macBytes) return undefined;
  const bodyLength = headBytes + bytes[25]!;
  if (bytes.length !== bodyLength + macBytes) return undefined;
  if (bytes[0] !== claimVersion || bytes[2] !== kindCodes[kind]) return undefined;
  const key = ring.byId.get(bytes[1]!);
  if (key === undefined) return undefined;
  if (!macMatches(key, kind, bytes.subarray(0, bodyLength), bytes.subarray(bodyLength))) return undefined;
  return {
    kind,
    eventId: bytes.readUInt32BE(3),
    packetId: bytes.readBigUInt64BE(7),
    epoch: bytes.readUInt16BE(15),
    sponsorNo: bytes.readUInt16BE(17),
    atMs: bytes.readUIntBE(19, 6),
    userId: bytes.toString('latin1', headBytes, bodyLength),
  };
}

function assertClaim(claim: Claim): void {
  assertIntegerIn('eventId', claim.eventId, 1, eventIdMax);
  if (claim.packetId < 0n || claim.packetId > packetIdMax) throw new RangeError(`packetId is ${claim.packetId}`);
  assertIntegerIn('epoch', claim.epoch, 0, epochMax);
  assertIntegerIn('sponsorNo', claim.sponsorNo, 0, sponsorNoMax);
  assertIntegerIn('atMs', claim.atMs, 0, claimAtMsMax);
  if (!isUserId(claim.userId)) throw new RangeError(`userId is not valid: ${JSON.stringify(claim.userId)}`);
}
