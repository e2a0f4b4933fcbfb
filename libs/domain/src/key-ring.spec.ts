import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createKeyRing, type MacPurpose, macOf } from './key-ring.ts';

// Proves that tokens outlive this code: their MAC is the standard's, by a sub-key that is derived by the standard's too.
it('is HMAC-SHA-256 of RFC 2104, cut to 16 bytes, for keys and messages of any length', () => {
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
  const purposes = fc.constantFrom<MacPurpose>('ticket', 'receipt', 'share', 'shake-state');
  fc.assert(
    fc.property(bytes(32, 100), bytes(0, 300), purposes, (key, message, purpose) => {
      const ring = createKeyRing([{ id: 1, key: Buffer.from(key) }]);
      const subKey = createHmac('sha256', key).update(`hongbao/v1/mac/${purpose}`).digest();
      const mac = createHmac('sha256', subKey).update(message).digest().subarray(0, 16);
      expect(macOf(ring.signing, purpose, message)).toEqual(mac);
    }),
  );
});
