import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUserId, userIdLengthMax } from './user-id.ts';

describe('user ids', () => {
  it('are 1 to 64 ASCII letters, digits, dots, underlines and hyphens that begin with a letter or digit', () => {
    fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/), isUserId));
    for (const bad of [
      '',
      '.a',
      '-a',
      '_a',
      'a b',
      'a\n',
      'ä',
      '红包',
      'a/b',
      'a:b',
      'a'.repeat(userIdLengthMax + 1),
    ]) {
      expect(isUserId(bad)).toBe(false);
    }
    expect(isUserId('a'.repeat(userIdLengthMax))).toBe(true);
  });

  it('a valid id has as many bytes as characters, which the codecs of claims and states rely on', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (isUserId(text)) expect(Buffer.byteLength(text, 'utf8')).toBe(text.length);
      }),
    );
  });
});
