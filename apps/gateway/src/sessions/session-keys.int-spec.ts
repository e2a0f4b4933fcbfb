// The address of the session keys is isolated like any other dependency: while it hangs or is gone, before the keys were ever read and
// after, whoever needs no read is verified, and nobody else waits for long or in numbers. By counts, not by the clock.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Script, ScriptedService, sendJson } from '../testing/scripted-service.ts';
import { type JwksLimits, JwksSessionKey } from './session-keys.ts';

const kids = ['old', 'new'] as const;
type Kid = (typeof kids)[number];

const tokens = {} as Record<Kid | 'foreign', string>;
const published = {} as Record<Kid, object>;
let served: readonly Kid[];
let host: ScriptedService;
/** Answers that the host owes. */
let owed: ServerResponse[];
let nowMs: number;

const well: Script = (_request, response) => sendJson(response, 200, { keys: served.map((kid) => published[kid]) });
const silent: Script = (_request, response) => void owed.push(response);

beforeAll(async () => {
  for (const kid of kids) {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    published[kid] = { ...(await exportJWK(publicKey)), kid, alg: 'ES256' };
    const sign = (by: string) => new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'ES256', kid: by });
    tokens[kid] = await sign(kid).sign(privateKey);
    tokens.foreign = await sign('foreign').sign(privateKey);
  }
});
beforeEach(async () => {
  served = ['old'];
  owed = [];
  nowMs = 0;
  host = new ScriptedService(well);
  await host.start();
});
afterAll(() => host.stop());

/** Keys that are given up after 300 ms, and whose other times pass only when a test says so. */
function keysOf(limits: Partial<JwksLimits> = {}): JwksSessionKey {
  const keys = new JwksSessionKey(host.url, { timeoutMs: 300, ...limits }, () => nowMs);
  onTestFinished(async () => {
    keys.stop();
    await host.stop();
  });
  return keys;
}

const codeOf = (verifying: Promise<unknown>): Promise<string> =>
  verifying.then(
    () => 'verified',
    (error: { code: string }) => error.code,
  );
const verify = (keys: JwksSessionKey, token: string): Promise<string> => codeOf(jwtVerify(token, keys.key));
const times = (count: number, work: () => Promise<string>): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, work));
const allOf = (answers: readonly string[]): string[] => [...new Set(answers)];

const away = 'dependency_unavailable';
/** How the host is lost. */
const ways = {
  killed: () => host.stop(),
  hanging: async () => host.answer(silent),
};
async function comeBack(): Promise<void> {
  for (const response of owed.splice(0)) response.destroy();
  host.answer(well);
  await host.stop();
  await host.start();
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('while their address is %s', (way) => {
  it('and they were never read: one read is waited for, then nobody waits, and a probe finds them', async () => {
    const keys = keysOf();
    await ways[way]();
    expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual([away]);
    expect(host.seen.length).toBe(way === 'hanging' ? 1 : 0);
    expect(keys.state).toMatchObject({ breaker: 'open', callsUnderWay: 0, refusedOpen: 0 });
    // nothing is asked of it, so nothing was waited for
    expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual([away]);
    expect(host.seen.length).toBe(way === 'hanging' ? 1 : 0);
    expect(keys.state.refusedOpen).toBe(100);
    await comeBack();
    nowMs += 500;
    // the one that finds the breaker's time up sets off the probe, and waits as little as the others
    expect(await verify(keys, tokens.old)).toBe(away);
    await expect.poll(() => keys.state.breaker).toBe('closed');
    expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual(['verified']);
  });

  it('and they were read before: tokens of known keys are verified; of a new key, one read is waited for, then nobody waits', async () => {
    const keys = keysOf();
    expect(await verify(keys, tokens.old)).toBe('verified');
    const seen = host.seen.length;
    await ways[way]();
    nowMs += 10_000;
    served = kids;
    const waiting = times(100, () => verify(keys, tokens.new));
    expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual(['verified']);
    expect(allOf(await waiting)).toEqual([away]);
    expect(allOf(await times(100, () => verify(keys, tokens.new)))).toEqual([away]);
    expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual(['verified']);
    expect(host.seen.length - seen).toBe(way === 'hanging' ? 1 : 0);
    expect(keys.state).toMatchObject({ breaker: 'open', callsUnderWay: 0, refusedOpen: 100 });
    await comeBack();
    nowMs += 500;
    expect(await verify(keys, tokens.new)).toBe(away);
    await expect.poll(() => verify(keys, tokens.new)).toBe('verified');
  });
});

it('a probe that hangs holds nobody, and the next one comes later', async () => {
  const keys = keysOf();
  await host.stop();
  await verify(keys, tokens.old);
  host.answer(silent);
  await host.start();
  nowMs += 500;
  expect(allOf(await times(100, () => verify(keys, tokens.old)))).toEqual([away]);
  await expect.poll(() => host.seen.length).toBe(1);
  expect(keys.state).toMatchObject({ breaker: 'probing', callsUnderWay: 0 });
  await once(owed[0]!, 'close');
  await expect.poll(() => keys.state.breaker).toBe('open');
  nowMs += 999;
  expect(await verify(keys, tokens.old)).toBe(away);
  expect([keys.state.breaker, host.seen.length]).toEqual(['open', 1]);
});

it('one more than may wait is refused at once, and takes no place from tokens of known keys', async () => {
  const keys = keysOf({ waitersMax: 10 });
  await verify(keys, tokens.old);
  nowMs += 10_000;
  host.answer(silent);
  const waiting = times(10, () => verify(keys, tokens.new));
  await expect.poll(() => keys.state.callsUnderWay).toBe(10);
  expect(await verify(keys, tokens.new)).toBe('overloaded');
  expect(await verify(keys, tokens.old)).toBe('verified');
  expect(keys.state).toMatchObject({ callsUnderWay: 10, refusedFull: 1 });
  expect(allOf(await waiting)).toEqual([away]);
});

it('an unknown key makes them be read once in ten seconds, and is refused as a bad one meanwhile', async () => {
  const keys = keysOf();
  expect(allOf(await times(50, () => verify(keys, tokens.foreign)))).toEqual(['ERR_JWKS_NO_MATCHING_KEY']);
  nowMs += 9999;
  expect(await verify(keys, tokens.foreign)).toBe('ERR_JWKS_NO_MATCHING_KEY');
  expect(host.seen.length).toBe(1);
  nowMs += 1;
  expect(allOf(await times(50, () => verify(keys, tokens.foreign)))).toEqual(['ERR_JWKS_NO_MATCHING_KEY']);
  expect(host.seen.length).toBe(2);
});

it('reads them in the background until they are known, without a token that asks, and says once that it cannot', async () => {
  const keys = keysOf({ lookMs: 5 });
  host.answer((_request, response) => sendJson(response, 500, {}));
  const failures: unknown[] = [];
  keys.start((cause) => failures.push(cause));
  // twice the pause after each probe that failed, five seconds at most
  const later = <T>(read: () => T) =>
    expect.poll(() => {
      nowMs += 1000;
      return read();
    });
  await later(() => host.seen.length >= 4).toBe(true);
  host.answer(well);
  await later(() => keys.state.breaker).toBe('closed');
  expect(await verify(keys, tokens.old)).toBe('verified');
  expect(failures).toHaveLength(1);
});

describe('an answer that cannot be used leaves the keys as they were:', () => {
  it.each<[string, Script]>([
    ['too long', (_request, response) => sendJson(response, 200, { keys: [published.new], filler: 'x'.repeat(5000) })],
    ['an error', (_request, response) => sendJson(response, 500, { keys: [published.new] })],
    ['a redirect', (_request, response) => void response.writeHead(302, { location: `${host.url}/other` }).end()],
    ['no JSON', (_request, response) => void response.end('<html>')],
    ['no key set', (_request, response) => sendJson(response, 200, { keys: 'none' })],
    ['broken off', (_request, response) => void response.writeHead(200, { 'content-length': 1000 }).end('{')],
  ])('%s', async (_, script) => {
    const keys = keysOf({ bytesMax: 4096 });
    await verify(keys, tokens.old);
    nowMs += 10_000;
    host.answer(script);
    expect(await verify(keys, tokens.new)).toBe(away);
    expect(await verify(keys, tokens.old)).toBe('verified');
    expect(keys.state.breaker).toBe('open');
  });
});
