import { claimAtMsMax, eventIdMax, sponsorNoMax } from './claims.ts';
import { assertIntegerIn } from './integers.ts';
import { bytesOfToken, type KeyRing, macBytes, macMatches, macOf, tokenLength } from './key-ring.ts';
import { packetIdMax } from './packet-id.ts';
import { isUserId } from './user-id.ts';

/*
 * The shake state: what a client has won in an event, signed and kept by the client, so that gateways need not remember. It
 * lets a gateway answer `limit` without asking anybody; it is a help and no judge: a client that forgets its state is stopped
 * at the open (invariant 5). Layout, big-endian, in base64url text:
 *
 *   0 version  1 key id  2 wins, 16 bytes each: packetId u64, sponsorNo u16, expiresAtMs u48 (0: opened)  then the MAC, 16 bytes
 *
 * The MAC is over eventId u32, user id length u8, user id, and all bytes before it: the state of another user or event does
 * not verify, and need not be carried to tell.
 */

/** A packet that the user won. */
export interface ShakeWin {
  readonly packetId: bigint;
  readonly sponsorNo: number;
  /** When the ticket expires, store-clock milliseconds; 0 when it was opened: then it counts until the event ends. */
  readonly expiresAtMs: number;
}

export interface ShakeState {
  readonly eventId: number;
  readonly userId: string;
  readonly wins: readonly ShakeWin[];
}

/** Most tokens in one request: a client with two or three connections may hold that many until they are merged. */
export const shakeStateTokensMax = 4;

/** Most wins in a state: the largest perUserMax, so that a full state always answers `limit`. */
export const shakeStateWinsMax = 64;

const stateVersion = 1;
const headBytes = 2;
const winBytes = 16;

/** Longest text of one state in characters. */
export const shakeStateLengthMax = tokenLength(headBytes + shakeStateWinsMax * winBytes + macBytes);

/** Longest value of the X-Shake-State header that is looked at: the most tokens and their commas. */
export const shakeStateHeaderLengthMax = shakeStateTokensMax * (shakeStateLengthMax + 1) - 1;

/** Signs a state with the ring's first key. Throws a RangeError for a field out of range or too many wins. */
export function signShakeState(ring: KeyRing, state: ShakeState): string {
  assertState(state);
  const bodyLength = headBytes + state.wins.length * winBytes;
  const bytes = Buffer.allocUnsafe(bodyLength + macBytes);
  bytes[0] = stateVersion;
  bytes[1] = ring.signing.id;
  for (const [i, win] of state.wins.entries()) {
    const at = headBytes + i * winBytes;
    bytes.writeBigUInt64BE(win.packetId, at);
    bytes.writeUInt16BE(win.sponsorNo, at + 8);
    bytes.writeUIntBE(win.expiresAtMs, at + 10, 6);
  }
  const message = messageOf(state.eventId, state.userId, bytes.subarray(0, bodyLength));
  macOf(ring.signing, 'shake-state', message).copy(bytes, bodyLength);
  return bytes.toString('base64url');
}

/** The state behind a text, if a key of the ring signed it for this event and user; undefined for anything else. */
export function verifyShakeState(ring: KeyRing, eventId: number, userId: string, text: string): ShakeState | undefined {
  const bytes = bytesOfToken(text, shakeStateLengthMax);
  if (bytes === undefined || bytes.length < headBytes + macBytes || bytes[0] !== stateVersion) return undefined;
  const bodyLength = bytes.length - macBytes;
  if ((bodyLength - headBytes) % winBytes !== 0) return undefined;
  const key = ring.byId.get(bytes[1]!);
  if (key === undefined || !isUserId(userId)) return undefined;
  const message = messageOf(eventId, userId, bytes.subarray(0, bodyLength));
  if (!macMatches(key, 'shake-state', message, bytes.subarray(bodyLength))) return undefined;
  return { eventId, userId, wins: winsOf(bytes, bodyLength) };
}

/**
 * The states in an X-Shake-State header: up to 4 tokens between commas. What does not verify is left out, and so is a header
 * longer than `shakeStateHeaderLengthMax`: a state only ever limits its user.
 */
export function readShakeStates(ring: KeyRing, eventId: number, userId: string, header: string): ShakeState[] {
  if (header.length > shakeStateHeaderLengthMax) return [];
  return header
    .split(',', shakeStateTokensMax)
    .map((token) => verifyShakeState(ring, eventId, userId, token.trim()))
    .filter((state) => state !== undefined);
}

/**
 * The wins of several states as one: each packet once, opened before unopened and a later expiry before an earlier one; unopened
 * wins whose ticket is past at `nowMs` leave. Sorted (opened first, then latest expiry, then packet id) and cut to 64.
 */
export function mergeShakeStates(states: readonly Pick<ShakeState, 'wins'>[], nowMs: number): ShakeWin[] {
  const byPacket = new Map<bigint, ShakeWin>();
  for (const win of states.flatMap((state) => state.wins)) {
    if (!countsAt(win, nowMs)) continue;
    const known = byPacket.get(win.packetId);
    if (known === undefined || compareWins(win, known) < 0) byPacket.set(win.packetId, win);
  }
  return [...byPacket.values()].sort(compareWins).slice(0, shakeStateWinsMax);
}

function countsAt(win: ShakeWin, nowMs: number): boolean {
  return win.expiresAtMs === 0 || win.expiresAtMs > nowMs;
}

/** Orders by how long a win counts, the longest first; then by packet and sponsor, so that merging never depends on the order. */
function compareWins(a: ShakeWin, b: ShakeWin): number {
  if (a.expiresAtMs !== b.expiresAtMs) return lastsUntil(b) - lastsUntil(a);
  if (a.packetId !== b.packetId) return a.packetId < b.packetId ? -1 : 1;
  return a.sponsorNo - b.sponsorNo;
}

function lastsUntil(win: ShakeWin): number {
  return win.expiresAtMs === 0 ? Number.MAX_SAFE_INTEGER : win.expiresAtMs;
}

function winsOf(bytes: Buffer, bodyLength: number): ShakeWin[] {
  const wins: ShakeWin[] = [];
  for (let at = headBytes; at < bodyLength; at += winBytes) {
    wins.push({
      packetId: bytes.readBigUInt64BE(at),
      sponsorNo: bytes.readUInt16BE(at + 8),
      expiresAtMs: bytes.readUIntBE(at + 10, 6),
    });
  }
  return wins;
}

function messageOf(eventId: number, userId: string, body: Buffer): Buffer {
  const message = Buffer.allocUnsafe(5 + userId.length + body.length);
  message.writeUInt32BE(eventId, 0);
  message[4] = userId.length;
  message.write(userId, 5, 'latin1');
  body.copy(message, 5 + userId.length);
  return message;
}

function assertState(state: ShakeState): void {
  assertIntegerIn('eventId', state.eventId, 1, eventIdMax);
  if (!isUserId(state.userId)) throw new RangeError(`userId is not valid: ${JSON.stringify(state.userId)}`);
  assertIntegerIn('number of wins', state.wins.length, 0, shakeStateWinsMax);
  for (const win of state.wins) {
    if (win.packetId < 0n || win.packetId > packetIdMax) throw new RangeError(`packetId is ${win.packetId}`);
    assertIntegerIn('sponsorNo', win.sponsorNo, 0, sponsorNoMax);
    assertIntegerIn('expiresAtMs', win.expiresAtMs, 0, claimAtMsMax);
  }
}
