import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signClaim } from './claims.ts';
import { createKeyRing, macOf } from './key-ring.ts';
import { packetIdMax } from './packet-id.ts';
import {
  mergeShakeStates,
  readShakeStates,
  type ShakeWin,
  shakeStateHeaderLengthMax,
  shakeStateLengthMax,
  shakeStateTokensMax,
  shakeStateWinsMax,
  signShakeState,
  verifyShakeState,
} from './shake-state.ts';

const keyA = { id: 1, key: Buffer.alloc(32, 0xa1) };
const keyB = { id: 2, key: Buffer.alloc(32, 0xb2) };
const ring = createKeyRing([keyA]);

const anyUserId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const anyWin: fc.Arbitrary<ShakeWin> = fc.record({
  packetId: fc.bigInt({ min: 0n, max: packetIdMax }),
  sponsorNo: fc.nat(2 ** 15 - 1),
  expiresAtMs: fc.oneof(fc.constant(0), fc.nat({ max: 2 ** 48 - 1 })),
});
const anyState = fc.record({
  eventId: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  userId: anyUserId,
  wins: fc.array(anyWin, { maxLength: shakeStateWinsMax }),
});

const nowMs = 1_700_000_000_000;
/** Few packets and times around now, so that states meet in packets and ties are common. */
const closeWin: fc.Arbitrary<ShakeWin> = fc.record({
  packetId: fc.bigInt({ min: 0n, max: 5n }),
  sponsorNo: fc.nat(2),
  expiresAtMs: fc.constantFrom(0, nowMs - 1, nowMs, nowMs + 1, nowMs + 2),
});
const closeStates = fc.array(fc.record({ wins: fc.array(closeWin, { maxLength: 8 }) }), { maxLength: 4 });

const state = {
  eventId: 7,
  userId: 'alice',
  wins: [
    { packetId: 5n, sponsorNo: 1, expiresAtMs: nowMs },
    { packetId: 6n, sponsorNo: 2, expiresAtMs: 0 },
  ],
};

describe('shake states', () => {
  it('what was signed verifies as exactly that for its event and user, in a bounded header value', () => {
    fc.assert(
      fc.property(anyState, (signed) => {
        const text = signShakeState(ring, signed);
        expect(verifyShakeState(ring, signed.eventId, signed.userId, text)).toEqual(signed);
        expect(text.length).toBeLessThanOrEqual(shakeStateLengthMax);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
  });

  it('the state of another user or event never verifies', () => {
    fc.assert(
      fc.property(anyState, anyUserId, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (signed, userId, eventId) => {
        const text = signShakeState(ring, signed);
        if (userId !== signed.userId) expect(verifyShakeState(ring, signed.eventId, userId, text)).toBeUndefined();
        if (eventId !== signed.eventId) expect(verifyShakeState(ring, eventId, signed.userId, text)).toBeUndefined();
      }),
    );
  });

  it('a user id that only shares its low bytes with the owner’s is another user', () => {
    // U+0142 has the low byte of B: an encoder of single bytes would write the same
    const text = signShakeState(ring, { ...state, userId: 'B' });
    expect(verifyShakeState(ring, state.eventId, 'B', text)).toBeDefined();
    expect(verifyShakeState(ring, state.eventId, 'ł', text)).toBeUndefined();
  });

  it('of another version or with half a win never verifies, even with the right MAC', () => {
    const signed = (body: Buffer): string => {
      const owner = Buffer.from('\0\0\0\x07\x05alice', 'latin1');
      return Buffer.concat([body, macOf(ring.signing, 'shake-state', Buffer.concat([owner, body]))]).toString(
        'base64url',
      );
    };
    const body = Buffer.from(signShakeState(ring, state), 'base64url').subarray(0, 34);
    expect(verifyShakeState(ring, 7, 'alice', signed(body))).toEqual(state);
    expect(
      verifyShakeState(ring, 7, 'alice', signed(Buffer.concat([Buffer.from([2]), body.subarray(1)]))),
    ).toBeUndefined();
    expect(verifyShakeState(ring, 7, 'alice', signed(body.subarray(0, 26)))).toBeUndefined();
  });

  it('with any one bit flipped, truncated or lengthened it never verifies', () => {
    const text = signShakeState(ring, state);
    const bytes = Buffer.from(text, 'base64url');
    const verified = (other: string): unknown => verifyShakeState(ring, state.eventId, state.userId, other);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(verified(bytes.toString('base64url'))).toBeUndefined();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let length = 0; length < bytes.length; length++) {
      expect(verified(bytes.subarray(0, length).toString('base64url'))).toBeUndefined();
      expect(verified(text.slice(0, length))).toBeUndefined();
    }
    for (const more of ['A', 'AAAA', '=', '\n']) expect(verified(text + more)).toBeUndefined();
    expect(verified(bytes.toString('base64'))).toBe(bytes.toString('base64') === text ? state : undefined);
  });

  it('wins cannot be taken out or moved from one token to another', () => {
    const bytes = Buffer.from(signShakeState(ring, state), 'base64url');
    const shorter = Buffer.concat([bytes.subarray(0, 18), bytes.subarray(34)]);
    const swapped = Buffer.concat([
      bytes.subarray(0, 2),
      bytes.subarray(18, 34),
      bytes.subarray(2, 18),
      bytes.subarray(34),
    ]);
    for (const forged of [shorter, swapped]) {
      expect(verifyShakeState(ring, state.eventId, state.userId, forged.toString('base64url'))).toBeUndefined();
    }
  });

  it('a claim is no state, a foreign key signs nothing, and rotation leaves states valid', () => {
    const ticket = {
      kind: 'ticket',
      eventId: 7,
      packetId: 5n,
      epoch: 0,
      sponsorNo: 1,
      atMs: nowMs,
      userId: 'alice',
    } as const;
    expect(verifyShakeState(ring, 7, 'alice', signClaim(ring, ticket))).toBeUndefined();
    const foreign = createKeyRing([{ id: 1, key: Buffer.alloc(32, 0xcc) }]);
    expect(verifyShakeState(ring, 7, 'alice', signShakeState(foreign, state))).toBeUndefined();
    const text = signShakeState(ring, state);
    expect(verifyShakeState(createKeyRing([keyB, keyA]), 7, 'alice', text)).toEqual(state);
    expect(verifyShakeState(createKeyRing([keyB]), 7, 'alice', text)).toBeUndefined();
  });

  it('any string is undefined and never throws, whoever the user is', () => {
    const shaped = fc.nat(70).chain((wins) =>
      fc.uint8Array({ minLength: 18 + wins * 16, maxLength: 18 + wins * 16 }).map((array) => {
        const forged = Buffer.from(array);
        forged.set([1, keyA.id], 0);
        return forged.toString('base64url');
      }),
    );
    const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 8000 }), shaped);
    fc.assert(
      fc.property(anyText, fc.string({ unit: 'binary' }), (text, userId) => {
        expect(verifyShakeState(ring, 7, userId, text)).toBeUndefined();
        expect(readShakeStates(ring, 7, userId, text)).toEqual([]);
      }),
    );
  });

  it('refuses to sign more wins than a state holds or fields that do not fit', () => {
    const win = { packetId: 1n, sponsorNo: 1, expiresAtMs: 0 };
    const full = new Array(shakeStateWinsMax).fill(win);
    expect(signShakeState(ring, { ...state, wins: full })).toHaveLength(shakeStateLengthMax);
    const bad = [
      [...full, win],
      [{ ...win, packetId: -1n }],
      [{ ...win, sponsorNo: 2 ** 15 }],
      [{ ...win, expiresAtMs: -1 }],
    ];
    for (const wins of bad) expect(() => signShakeState(ring, { ...state, wins })).toThrow(RangeError);
    expect(() => signShakeState(ring, { ...state, userId: 'é' })).toThrow(RangeError);
    expect(() => signShakeState(ring, { ...state, eventId: 0 })).toThrow(RangeError);
  });
});

describe('the X-Shake-State header', () => {
  it('carries up to four tokens; garbage between them is left out', () => {
    const texts = [1n, 2n, 3n, 4n, 5n].map((packetId) =>
      signShakeState(ring, { ...state, wins: [{ packetId, sponsorNo: 0, expiresAtMs: 0 }] }),
    );
    const idsIn = (header: string): bigint[] =>
      readShakeStates(ring, 7, 'alice', header).flatMap(({ wins }) => wins.map(({ packetId }) => packetId));
    expect(shakeStateTokensMax).toBe(4);
    expect(idsIn(texts.join(','))).toEqual([1n, 2n, 3n, 4n]);
    expect(idsIn(`${texts[0]}, ${texts[1]}`)).toEqual([1n, 2n]);
    expect(idsIn(`rubbish,${texts[2]},,${texts[3]}x`)).toEqual([3n]);
    expect(idsIn('')).toEqual([]);
  });

  it('is read at its greatest length and not beyond', () => {
    const wins = Array.from({ length: shakeStateWinsMax }, (_, i) => ({
      packetId: BigInt(i),
      sponsorNo: 0,
      expiresAtMs: 0,
    }));
    const header = new Array(shakeStateTokensMax).fill(signShakeState(ring, { ...state, wins })).join(',');
    expect(header).toHaveLength(shakeStateHeaderLengthMax);
    expect(readShakeStates(ring, 7, 'alice', header)).toHaveLength(shakeStateTokensMax);
    expect(readShakeStates(ring, 7, 'alice', `${header},`)).toEqual([]);
  });
});

describe('merging shake states', () => {
  it('keeps each packet once, for as long as any state says, and drops what is past', () => {
    fc.assert(
      fc.property(closeStates, (states) => {
        const merged = mergeShakeStates(states, nowMs);
        const all = states.flatMap(({ wins }) => wins);
        const lasts = (win: ShakeWin): number => (win.expiresAtMs === 0 ? Number.POSITIVE_INFINITY : win.expiresAtMs);
        for (const packetId of [0n, 1n, 2n, 3n, 4n, 5n]) {
          const until = Math.max(...all.filter((win) => win.packetId === packetId).map(lasts));
          const found = merged.filter((win) => win.packetId === packetId);
          expect(found.map(lasts)).toEqual(until > nowMs ? [until] : []);
        }
        for (const win of merged) expect(all).toContainEqual(win);
      }),
    );
  });

  it('does not depend on the order or grouping of the states, and merging again changes nothing', () => {
    fc.assert(
      fc.property(closeStates, closeStates, (some, others) => {
        const merged = mergeShakeStates([...some, ...others], nowMs);
        expect(mergeShakeStates([...others, ...some].reverse(), nowMs)).toEqual(merged);
        expect(mergeShakeStates([{ wins: merged }], nowMs)).toEqual(merged);
        const [left, right] = [mergeShakeStates(some, nowMs), mergeShakeStates(others, nowMs)];
        expect(mergeShakeStates([{ wins: left }, { wins: right }], nowMs)).toEqual(merged);
      }),
    );
  });

  it('of more wins than fit keeps those that count longest: opened ones first', () => {
    const winsFrom = (from: number, expiresAtMs: number): ShakeWin[] =>
      Array.from({ length: 40 }, (_, i) => ({ packetId: BigInt(from + i), sponsorNo: 0, expiresAtMs }));
    const states = [{ wins: winsFrom(0, nowMs + 10) }, { wins: winsFrom(100, 0) }, { wins: winsFrom(200, nowMs + 20) }];
    const merged = mergeShakeStates(states, nowMs);
    expect(merged).toHaveLength(shakeStateWinsMax);
    expect(merged.filter(({ expiresAtMs }) => expiresAtMs === 0)).toHaveLength(40);
    expect(merged.filter(({ expiresAtMs }) => expiresAtMs === nowMs + 20)).toHaveLength(24);
    expect(() => signShakeState(ring, { ...state, wins: merged })).not.toThrow();
  });
});
