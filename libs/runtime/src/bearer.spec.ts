import { describe, expect, it } from 'vitest';
import { bearerToken, secretsEqual } from './bearer.ts';

describe('bearer tokens', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', undefined],
    ['Bearer ', undefined],
    ['Basic abc', undefined],
    [undefined, undefined],
  ])('reads %j as %j', (header, token) => {
    expect(bearerToken(header)).toBe(token);
  });

  it('compares secrets of any length', () => {
    expect([
      secretsEqual('abc', 'abc'),
      secretsEqual('abc', 'abd'),
      secretsEqual('abc', 'abcd'),
      secretsEqual('', ''),
    ]).toEqual([true, false, false, true]);
  });
});
