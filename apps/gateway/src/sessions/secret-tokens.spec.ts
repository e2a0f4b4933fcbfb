import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { SecretTokens, type TokenRules } from './secret-tokens.ts';

const secret = 'a session secret for tests';
const nowSeconds = 1_800_000_000;
const nowMs = nowSeconds * 1000 + 321;
const rules: TokenRules = { issuer: 'host', audience: 'hongbao', toleranceSeconds: 5 };
const good = { sub: 'alice', iss: 'host', aud: 'hongbao', exp: nowSeconds + 60 };

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function tokenOf(claims: unknown, header: unknown = { alg: 'HS256' }, key = secret): string {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

/** What jose says with the options that the gateway gives it. */
async function joseVerifies(token: string, { issuer, audience, toleranceSeconds }: TokenRules): Promise<boolean> {
  const options = {
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
    algorithms: ['HS256'],
    requiredClaims: ['sub', 'exp'],
    clockTolerance: toleranceSeconds,
    currentDate: new Date(nowMs),
  };
  return await jwtVerify(token, Buffer.from(secret), options).then(
    () => true,
    () => false,
  );
}

describe('tokens by a shared secret', () => {
  const tokens = new SecretTokens(secret, rules);

  it('verify as they were signed here, and by jose', async () => {
    const token = tokens.sign({ sub: 'alice', iat: nowSeconds, exp: nowSeconds + 60 });
    expect(tokens.verify(token, nowMs)).toMatchObject({ sub: 'alice', exp: nowSeconds + 60 });
    expect(await joseVerifies(token, rules)).toBe(true);
  });

  it('verify as jose signed them', async () => {
    const signed = new SignJWT(good).setProtectedHeader({ typ: 'JWT', alg: 'HS256' });
    expect(tokens.verify(await signed.sign(Buffer.from(secret)), nowMs)?.sub).toBe('alice');
  });

  it('are judged as jose judges them, whatever claims they carry', async () => {
    const time = fc.constantFrom(-61, -6, -5, -4, 0, 4, 5, 6, 61).map((seconds) => nowSeconds + seconds);
    const odd = fc.constantFrom<unknown>(undefined, null, '7', true, [], {}, 1.5);
    const claims = fc.record({
      sub: fc.constantFrom<unknown>('alice', undefined),
      exp: fc.oneof(time, odd),
      nbf: fc.oneof(fc.constant(undefined), time, odd),
      iat: fc.oneof(fc.constant(undefined), time, odd),
      iss: fc.constantFrom<unknown>('host', 'other', undefined, ['host'], 7),
      aud: fc.constantFrom<unknown>('hongbao', 'other', undefined, ['other', 'hongbao'], ['other'], 7),
    });
    const someRules = fc.constantFrom<TokenRules>(
      rules,
      { toleranceSeconds: 0 },
      { issuer: 'host', toleranceSeconds: 5 },
      { audience: 'hongbao', toleranceSeconds: 5 },
    );
    await fc.assert(
      fc.asyncProperty(claims, someRules, async (body, itsRules) => {
        const token = tokenOf(body);
        const verified = new SecretTokens(secret, itsRules).verify(token, nowMs) !== undefined;
        expect(verified).toBe(await joseVerifies(token, itsRules));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['another secret', tokenOf(good, undefined, 'another secret')],
    ['no algorithm', tokenOf(good, { alg: 'none' })],
    ['another algorithm', tokenOf(good, { alg: 'HS512' })],
    ['no header', tokenOf(good, null)],
    ['a critical header', tokenOf(good, { alg: 'HS256', crit: ['exp'], exp: 1 })],
    ['an unencoded payload', tokenOf(good, { alg: 'HS256', crit: ['b64'], b64: false })],
    ['claims that are no object', tokenOf([good])],
    ['claims that are no JSON', tokenOf(good).replace(/\.[^.]*\./, '.xx.')],
    ['no signature', `${encode({ alg: 'HS256' })}.${encode(good)}.`],
    ['two parts', tokenOf(good).replace(/\.[^.]*$/, '')],
    ['four parts', `${tokenOf(good)}.x`],
    ['a part in front', `.${tokenOf(good)}`],
    ['nothing', ''],
    ['dots', '..'],
  ])('are refused with %s, by jose too', async (_what, token) => {
    expect(tokens.verify(token, nowMs)).toBeUndefined();
    expect(await joseVerifies(token, rules)).toBe(false);
  });

  it('are refused when one character was changed, also in a signature that decodes to the same bytes', () => {
    const token = tokenOf(good);
    for (let at = 0; at < token.length; at++) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
      expect(tokens.verify(changed, nowMs)).toBeUndefined();
    }
    expect(tokens.verify(`${token}=`, nowMs)).toBeUndefined();
  });

  it('go on verifying after one with another good header, and after one with a bad one', () => {
    for (const header of [{ typ: 'JWT', alg: 'HS256' }, { alg: 'HS256' }, { alg: 'RS256' }, { alg: 'HS256' }])
      expect(tokens.verify(tokenOf(good, header), nowMs) !== undefined).toBe(header.alg === 'HS256');
  });
});
