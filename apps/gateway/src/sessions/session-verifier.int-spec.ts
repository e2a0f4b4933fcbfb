import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ScriptedService, sendJson } from '../testing/scripted-service.ts';
import type { Session } from './session.ts';
import { SessionVerifier } from './session-verifier.ts';

const secret = 'a session secret for tests';
const LUCK_SECRET = 'a luck secret for tests, 32 characters';
const SESSIONS_CACHED_MAX = 1000;
const algorithms = ['RS256', 'ES256', 'EdDSA'] as const;

const tokenOf = (alg: string, claims: Record<string, unknown>) =>
  new SignJWT({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 600, ...claims }).setProtectedHeader({
    alg,
    kid: alg,
  });
const bySecret = (claims: Record<string, unknown> = {}, by = secret) => tokenOf('HS256', claims).sign(Buffer.from(by));
const codeOf = (verifying: Promise<unknown>) =>
  verifying.then(
    () => 'verified',
    (error: { code?: string }) => error.code,
  );

describe('sessions by a shared secret', () => {
  const verifier = new SessionVerifier({
    SESSION_SECRET: secret,
    SESSION_ISSUER: 'host',
    SESSION_AUDIENCE: 'hongbao',
    SESSIONS_CACHED_MAX,
    LUCK_SECRET,
  });
  const good = { iss: 'host', aud: 'hongbao' };

  it('verify once, without waiting, and are cached', async () => {
    const authorization = `Bearer ${await bySecret(good)}`;
    expect([verifier.cached(authorization), verifier.knows(authorization)]).toEqual([undefined, false]);
    const session = verifier.verifyNow(authorization);
    expect(session).toMatchObject({ userId: 'alice' });
    const cached = verifier.cached(authorization)!;
    expect([cached.userId, cached.user, verifier.knows(authorization)]).toEqual([
      'alice',
      (session as Session).user,
      true,
    ]);
    expect(await verifier.verify(authorization)).toMatchObject({ userId: 'alice', user: cached.user });
    expect(verifier.cachedCount).toBe(1);
  });

  it('are verified again after ten minutes or at their end, and are forgotten when they do not verify any more', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const authorization = `Bearer ${await bySecret({ ...good, exp: Math.floor(Date.now() / 1000) + 900 })}`;
      await verifier.verify(authorization);
      vi.setSystemTime(Date.now() + 599_000);
      expect(verifier.cached(authorization)).toBeDefined();
      vi.setSystemTime(Date.now() + 2000);
      expect([verifier.cached(authorization), verifier.knows(authorization)]).toEqual([undefined, true]);
      await verifier.verify(authorization);
      vi.setSystemTime(Date.now() + 290_000);
      expect(verifier.cached(authorization)).toBeDefined();
      vi.setSystemTime(Date.now() + 20_000);
      expect(verifier.cached(authorization)).toBeUndefined();
      expect(verifier.verifyNow(authorization)).toBe('refused');
      expect(verifier.knows(authorization)).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['another secret', () => bySecret(good, 'another secret, as long')],
    ['an expired token', () => bySecret({ ...good, exp: Math.floor(Date.now() / 1000) - 60 })],
    ['a token without an end', () => bySecret({ ...good, exp: undefined })],
    ['a token without a user', () => bySecret({ ...good, sub: undefined })],
    ['a user id that is a number', () => bySecret({ ...good, sub: 7 })],
    ['a user id that is none', () => bySecret({ ...good, sub: 'with space' })],
    ['another issuer', () => bySecret({ ...good, iss: 'other' })],
    ['another audience', () => bySecret({ ...good, aud: 'other' })],
    ['no algorithm', async () => `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`],
    ['an algorithm that is not pinned', () => tokenOf('HS512', good).sign(Buffer.alloc(64, 1))],
    ['garbage', async () => 'garbage'],
    ['a token of 5000 characters', () => bySecret({ ...good, filler: 'x'.repeat(5000) })],
  ])('are refused with %s', async (_what, make) => {
    expect(await codeOf(verifier.verify(`Bearer ${await make()}`))).toBe('unauthenticated');
  });
});

describe('sessions by a JWKS', () => {
  const keys = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>['privateKey']>();
  const host = new ScriptedService((_request, response) => sendJson(response, 200, set));
  let set = { keys: [] as object[] };
  let verifier: SessionVerifier;

  beforeAll(async () => {
    await host.start();
    for (const alg of algorithms) {
      const pair = await generateKeyPair(alg, { extractable: true });
      keys.set(alg, pair.privateKey);
      set.keys.push({ ...(await exportJWK(pair.publicKey)), kid: alg, alg });
    }
    verifier = new SessionVerifier({
      SESSION_SECRET: secret,
      SESSION_JWKS_URL: host.url,
      SESSIONS_CACHED_MAX,
      LUCK_SECRET,
    });
  });
  afterAll(() => host.stop());

  it.each(algorithms)('verify with %s', async (alg) => {
    const token = await tokenOf(alg, {}).sign(keys.get(alg)!);
    expect((await verifier.verify(`Bearer ${token}`)).userId).toBe('alice');
  });

  it('go on with the keys last read while their address is away, and beside the secret', async () => {
    await host.stop();
    const token = await tokenOf('ES256', { sub: 'bob' }).sign(keys.get('ES256')!);
    expect((await verifier.verify(`Bearer ${token}`)).userId).toBe('bob');
    expect((await verifier.verify(`Bearer ${await bySecret()}`)).userId).toBe('alice');
  });

  it('are not said to be forged when no keys could be read', async () => {
    const unlucky = new SessionVerifier({ SESSION_JWKS_URL: host.url, SESSIONS_CACHED_MAX, LUCK_SECRET });
    const token = await tokenOf('ES256', {}).sign(keys.get('ES256')!);
    expect(await codeOf(unlucky.verify(`Bearer ${token}`))).toBe('dependency_unavailable');
    expect(await codeOf(unlucky.verify(`Bearer ${await bySecret()}`))).toBe('unauthenticated');
    set = { keys: [] };
  });
});
