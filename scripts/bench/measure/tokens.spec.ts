import { jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { TokenMaker, userIdOf } from './tokens.ts';

const secret = 'a secret of the host application';

test('a token is a JWT of the user that the secret signed', async () => {
  const token = new TokenMaker(secret, 'first', 1_800_000_000).make(42);
  const { payload, protectedHeader } = await jwtVerify(token, Buffer.from(secret), {
    currentDate: new Date(1_800_000_060_000),
  });
  expect(protectedHeader.alg).toBe('HS256');
  expect(payload).toMatchObject({ sub: userIdOf(42), iat: 1_800_000_000 });
});

test('another series has other tokens for the same users', () => {
  const [first, second] = ['first', 'second'].map((series) => new TokenMaker(secret, series, 1_800_000_000).make(7));
  expect(first).not.toBe(second);
});
