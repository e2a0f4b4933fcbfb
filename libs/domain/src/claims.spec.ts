import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Claim,
  type ClaimKind,
  claimAtMsMax,
  claimLengthMax,
  eventIdMax,
  signClaim,
  sponsorNoMax,
  verifyClaim,
} from './claims.ts';
import { createKeyRing, macOf } from './key-ring.ts';
import { packetIdMax } from './packet-id.ts';

const keyA = { id: 1, key: Buffer.alloc(32, 0xa1) };
const keyB = { id: 2, key: Buffer.alloc(32, 0xb2) };
const ring = createKeyRing([keyA]);
const kinds: readonly ClaimKind[] = ['ticket', 'receipt', 'share'];

const anyUserId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const anyClaim: fc.Arbitrary<Claim> = fc.record({
  kind: fc.constantFrom(...kinds),
  eventId: fc.integer({ min: 1, max: eventIdMax }),
  packetId: fc.bigInt({ min: 0n, max: packetIdMax }),
  epoch: fc.nat(2 ** 15 - 1),
  sponsorNo: fc.nat(sponsorNoMax),
  atMs: fc.nat({ max: claimAtMsMax }),
  userId: anyUserId,
});
const claim: Claim = {
  kind: 'ticket',
  eventId: 7,
  packetId: 12_345_678_901n,
  epoch: 3,
  sponsorNo: 2,
  atMs: 1_700_000_000_000,
  userId: 'alice',
};

describe('claims', () => {
  it('what was signed verifies as exactly that, in a bounded number of URL-safe characters', () => {
    fc.assert(
      fc.property(anyClaim, (signed) => {
        const text = signClaim(ring, signed);
        expect(verifyClaim(ring, signed.kind, text)).toEqual(signed);
        expect(text.length).toBeLessThanOrEqual(claimLengthMax);
        expect(text).toMatch(/^[A-Za-z0-9_-]+$/);
      }),
    );
    expect(signClaim(ring, { ...claim, userId: 'a'.repeat(64) })).toHaveLength(claimLengthMax);
  });

  it('signing is a function: the same claim has the same text', () => {
    expect(signClaim(ring, claim)).toBe(signClaim(ring, { ...claim }));
  });

  it('the layout of version 1 stays: tickets on phones outlive a deployment', () => {
    expect(signClaim(ring, claim)).toBe('AQEBAAAABwAAAALf3Bw1AAMAAgGLz-VoAAVhbGljZdKhxgkPMCOYwyO3s2QkxEM');
  });

  it('never verifies as another kind', () => {
    fc.assert(
      fc.property(anyClaim, fc.constantFrom(...kinds), (signed, kind) => {
        if (kind !== signed.kind) expect(verifyClaim(ring, kind, signClaim(ring, signed))).toBeUndefined();
      }),
    );
  });

  it('never verifies as another kind after its kind byte was rewritten: each kind has its own key', () => {
    const bytes = Buffer.from(signClaim(ring, claim), 'base64url');
    for (const [code, kind] of [
      [2, 'receipt'],
      [3, 'share'],
    ] as const) {
      bytes[2] = code;
      expect(verifyClaim(ring, kind, bytes.toString('base64url'))).toBeUndefined();
    }
  });

  it('of another version or kind byte never verifies, even with the right MAC', () => {
    const bytes = Buffer.from(signClaim(ring, claim), 'base64url');
    for (const [at, value] of [
      [0, 2],
      [0, 0],
      [2, 2],
      [2, 4],
    ] as const) {
      const other = Buffer.from(bytes);
      other[at] = value;
      const body = other.subarray(0, other.length - 16);
      macOf(ring.signing, 'ticket', body).copy(other, body.length);
      expect(verifyClaim(ring, 'ticket', other.toString('base64url'))).toBeUndefined();
    }
  });

  it('with any one bit flipped never verifies', () => {
    fc.assert(
      fc.property(anyClaim, (signed) => {
        const bytes = Buffer.from(signClaim(ring, signed), 'base64url');
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          bytes[bit >> 3]! ^= 1 << (bit & 7);
          expect(verifyClaim(ring, signed.kind, bytes.toString('base64url'))).toBeUndefined();
          bytes[bit >> 3]! ^= 1 << (bit & 7);
        }
      }),
      { numRuns: 10 },
    );
  });

  it('truncated or lengthened anywhere never verifies', () => {
    const text = signClaim(ring, claim);
    for (let length = 0; length < text.length; length++) {
      expect(verifyClaim(ring, 'ticket', text.slice(0, length))).toBeUndefined();
      expect(verifyClaim(ring, 'ticket', text.slice(text.length - length))).toBeUndefined();
    }
    for (const more of ['A', 'AA', 'AAAA', '=', '\n', ' ']) {
      expect(verifyClaim(ring, 'ticket', text + more)).toBeUndefined();
      expect(verifyClaim(ring, 'ticket', more + text)).toBeUndefined();
    }
  });

  it('has one text: no re-encoding of the same bytes verifies', () => {
    fc.assert(
      fc.property(anyClaim, fc.nat(), (signed, seed) => {
        const text = signClaim(ring, signed);
        const at = seed % text.length;
        const others = [
          Buffer.from(text, 'base64url').toString('base64'),
          Buffer.from(text, 'base64url').toString('hex'),
          `${text}=`,
          `${text}==`,
          `${text.slice(0, at)}\n${text.slice(at)}`,
          `${text.slice(0, at)}*${text.slice(at)}`,
          text.replaceAll('-', '+').replaceAll('_', '/'),
          ...sparesOf(text),
        ];
        for (const other of others.filter((each) => each !== text)) {
          expect(verifyClaim(ring, signed.kind, other)).toBeUndefined();
        }
      }),
    );
  });

  it('forged with another key never verifies, under the ring’s own key id either', () => {
    fc.assert(
      fc.property(anyClaim, fc.uint8Array({ minLength: 32, maxLength: 64 }), (forged, key) => {
        const foreign = createKeyRing([{ id: keyA.id, key: Buffer.from(key) }]);
        expect(verifyClaim(ring, forged.kind, signClaim(foreign, forged))).toBeUndefined();
      }),
    );
  });

  it('any string is undefined and never throws', () => {
    const shaped = fc.uint8Array({ maxLength: 130 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
    // a good head and a length byte that fits, so that the check gets as far as the MAC
    const nearMiss = fc.uint8Array({ minLength: 42, maxLength: 106 }).map((bytes) => {
      const forged = Buffer.from(bytes);
      forged.set([1, keyA.id, 1], 0);
      forged[25] = forged.length - 42;
      return forged.toString('base64url');
    });
    const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 5000 }), shaped, nearMiss);
    fc.assert(
      fc.property(anyText, fc.constantFrom(...kinds), (text, kind) => {
        expect(verifyClaim(ring, kind, text)).toBeUndefined();
      }),
    );
    expect(verifyClaim(ring, 'ticket', 'A'.repeat(10_000_000))).toBeUndefined();
  });

  it('refuses to sign what does not fit', () => {
    const bad: Partial<Claim>[] = [
      { eventId: 0 },
      { eventId: eventIdMax + 1 },
      { packetId: -1n },
      { packetId: packetIdMax + 1n },
      { epoch: 2 ** 15 },
      { sponsorNo: -1 },
      { atMs: 2 ** 48 },
      { atMs: 1.5 },
      { userId: '' },
      { userId: 'é' },
      { userId: 'a'.repeat(65) },
    ];
    for (const fields of bad) expect(() => signClaim(ring, { ...claim, ...fields })).toThrow(RangeError);
  });
});

/** Texts that decode to the same bytes: the last character of most lengths has spare bits. */
function sparesOf(text: string): string[] {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const bytes = Buffer.from(text, 'base64url');
  return [...alphabet]
    .map((last) => text.slice(0, -1) + last)
    .filter((other) => Buffer.from(other, 'base64url').equals(bytes));
}

describe('key rings', () => {
  it('rotate without a gap: the first key signs, all verify, a dropped key no longer does', () => {
    fc.assert(
      fc.property(anyClaim, (signed) => {
        const [before, during, after] = [[keyA], [keyB, keyA], [keyB]].map((keys) => createKeyRing(keys));
        const [old, young] = [signClaim(before!, signed), signClaim(during!, signed)];
        expect(verifyClaim(createKeyRing([keyA, keyB]), signed.kind, young)).toEqual(signed);
        expect(verifyClaim(during!, signed.kind, old)).toEqual(signed);
        expect(verifyClaim(after!, signed.kind, young)).toEqual(signed);
        expect(verifyClaim(after!, signed.kind, old)).toBeUndefined();
        expect(verifyClaim(before!, signed.kind, young)).toBeUndefined();
      }),
    );
  });

  it('need a key, distinct ids of one byte and keys of 32 bytes', () => {
    const short = { id: 3, key: Buffer.alloc(31) };
    const many = Array.from({ length: 9 }, (_, id) => ({ id, key: Buffer.alloc(32) }));
    for (const keys of [[], [keyA, { ...keyB, id: 1 }], [short], [{ ...keyA, id: 256 }], [{ ...keyA, id: -1 }], many]) {
      expect(() => createKeyRing(keys)).toThrow(RangeError);
    }
  });
});
