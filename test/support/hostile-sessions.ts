import { createHmac } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, type JSONWebKeySet, type JWTPayload, SignJWT } from 'jose';

export const sessionSecret = 'a secret that only the host application knows';
export const issuer = 'https://host.example';
export const audience = 'hongbao';
const keyId = 'key-1';

/** The keys of a host application, and those of somebody who would like to be one. */
export interface SessionKeys {
  readonly jwks: JSONWebKeySet;
  readonly own: Awaited<ReturnType<typeof generateKeyPair>>;
  readonly foreign: Awaited<ReturnType<typeof generateKeyPair>>;
  /** What everybody can read of the host's key, as text. */
  readonly publicPem: string;
}

export async function sessionKeys(): Promise<SessionKeys> {
  const [own, foreign] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')]);
  const jwk = { ...(await exportJWK(own.publicKey)), kid: keyId, alg: 'RS256', use: 'sig' };
  return { jwks: { keys: [jwk] }, own, foreign, publicPem: await exportSPKI(own.publicKey) };
}

const seconds = () => Math.floor(Date.now() / 1000);
/** Claims of a token; those that are undefined are not in it. */
type Claims = { readonly [claim in keyof JWTPayload]: JWTPayload[claim] | undefined };
const claimsOf = (claims: Claims): JWTPayload =>
  ({ iss: issuer, aud: audience, exp: seconds() + 3600, ...claims }) as JWTPayload;
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as its header and claims say, signed with HMAC. */
export function signSession(
  claims: Claims,
  header: object = {},
  key: string | Buffer = sessionSecret,
  hash = 'sha256',
) {
  const text = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(claimsOf(claims))}`;
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`;
}

export function signByHost(keys: SessionKeys, claims: Claims, key = keys.own.privateKey, header = {}): Promise<string> {
  return new SignJWT(claimsOf(claims)).setProtectedHeader({ alg: 'RS256', kid: keyId, ...header }).sign(key);
}

/** Tokens that would be a session of this user if anybody believed them; each with what is wrong with it. */
export async function tamperedSessions(keys: SessionKeys, userId: string): Promise<[what: string, token: string][]> {
  const sub = userId;
  const good = signSession({ sub });
  const byHost = await signByHost(keys, { sub });
  return [
    ...unsigned(sub, good),
    ...confused(keys, sub, good, byHost),
    ...(await fromStrangers(keys, sub)),
    ...outOfTime(sub),
    ...ofNobody(sub),
    ...garbled(good, signSession({ sub: 'somebody-else' })),
  ];
}

function unsigned(sub: string, good: string): [string, string][] {
  const [, claims, mac] = good.split('.');
  const none = (alg: unknown) => `${encode({ alg, typ: 'JWT' })}.${encode(claimsOf({ sub }))}`;
  return [
    ['alg none, no signature', `${none('none')}.`],
    ['alg none, two parts', none('none')],
    ['alg None, a signature of before', `${none('None')}.${mac}`],
    ['alg nOnE over the claims of before', `${encode({ alg: 'nOnE' })}.${claims}.`],
    ['no alg', `${none(undefined)}.${mac}`],
    ['alg as a list', `${none(['HS256'])}.${mac}`],
    ['no signature', `${good.slice(0, good.lastIndexOf('.') + 1)}`],
  ];
}

function confused({ publicPem, jwks }: SessionKeys, sub: string, good: string, byHost: string): [string, string][] {
  const kid = { kid: keyId };
  const asRs = good.split('.');
  return [
    ['HS256 with the public key as its secret', signSession({ sub }, kid, publicPem)],
    ['HS256 with the trimmed public key', signSession({ sub }, {}, publicPem.trim())],
    ['HS256 with the public JWK', signSession({ sub }, kid, JSON.stringify(jwks.keys[0]))],
    ['HS256 with the modulus', signSession({ sub }, kid, Buffer.from(jwks.keys[0]!.n!, 'base64url'))],
    ['HS256 with an empty secret', signSession({ sub }, {}, '')],
    ['HS512 by the secret', signSession({ sub }, { alg: 'HS512' }, sessionSecret, 'sha512')],
    ['HS384 in the header, HS256 in fact', signSession({ sub }, { alg: 'HS384' })],
    ['RS256 in the header, HS256 in fact', signSession({ sub }, { alg: 'RS256', ...kid })],
    ['a critical extension', signSession({ sub }, { crit: ['exp'] })],
    ["the host's signature under HS256", `${asRs[0]}.${byHost.split('.').slice(1).join('.')}`],
  ];
}

async function fromStrangers(keys: SessionKeys, sub: string): Promise<[string, string][]> {
  const { foreign } = keys;
  const jwk = await exportJWK(foreign.publicKey);
  const by = (header: object, claims: JWTPayload = { sub }) => signByHost(keys, claims, foreign.privateKey, header);
  return [
    ["another key under the host's id", await by({})],
    ['another key that it brings along', await by({ jwk })],
    ['another key that it says where to find', await by({ jku: 'http://127.0.0.1:1/jwks.json' })],
    ['another key by a path', await by({ kid: '../../../../dev/null' })],
    ['a foreign issuer', signSession({ sub, iss: 'https://elsewhere.example' })],
    ['no issuer', signSession({ sub, iss: undefined })],
    ["a foreign issuer, by the host's key", await signByHost(keys, { sub, iss: 'https://elsewhere.example' })],
    ['a foreign audience', signSession({ sub, aud: 'another-service' })],
    ['no audience', signSession({ sub, aud: undefined })],
    ["a foreign audience, by the host's key", await signByHost(keys, { sub, aud: ['another-service'] })],
  ];
}

function outOfTime(sub: string): [string, string][] {
  const text = (claim: unknown) => claim as number;
  return [
    ['expired', signSession({ sub, exp: seconds() - 60 })],
    ['expired long ago', signSession({ sub, exp: 1 })],
    ['no end', signSession({ sub, exp: undefined })],
    ['an end in words', signSession({ sub, exp: text('tomorrow') })],
    ['an end as text', signSession({ sub, exp: text(String(seconds() + 3600)) })],
    ['not yet', signSession({ sub, nbf: seconds() + 60 })],
    ['not yet, as text', signSession({ sub, nbf: text('never') })],
  ];
}

function ofNobody(sub: string): [string, string][] {
  const as = (value: unknown) => signSession({ sub: value as string });
  return [
    ['no subject', as(undefined)],
    ['an empty subject', as('')],
    ['a number for a subject', as(7)],
    ['a list for a subject', as([sub])],
    ['a subject with a line end', as(`${sub}\n`)],
    ['a subject with NUL', as(`${sub}\u0000`)],
    ['a subject that is too long', as('x'.repeat(65))],
    ['a subject that looks like a path', as('../admin')],
  ];
}

function garbled(good: string, other: string): [string, string][] {
  const [header, claims, mac] = good.split('.');
  const [, otherClaims, otherMac] = other.split('.');
  return [
    ["another session's signature", `${header}.${claims}.${otherMac}`],
    ["another session's claims", `${header}.${otherClaims}.${mac}`],
    ['the last character changed', good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A')],
    ['padded', `${good}=`],
    ['one character less', good.slice(0, -1)],
    ['one character more', `${good}A`],
    ['a fourth part', `${good}.${mac}`],
    ['five parts', `${good}.${claims}.${mac}`],
    ['no JSON', signedText('{"alg":"HS256"}', 'nonsense')],
    ['a list of claims', signedText('{"alg":"HS256"}', '[]')],
    ['null for claims', signedText('{"alg":"HS256"}', 'null')],
    ['a header that is no object', signedText('"HS256"', '{}')],
    ['two tokens', `${good} ${good}`],
    ['one dot', '.'],
    ['two dots', '..'],
    ['nothing but noise', 'x'.repeat(500)],
    ['too long', signSession({ sub: 'alice', x: 'x'.repeat(5000) })],
  ];
}

/** Rightly signed texts, whatever they are. */
function signedText(header: string, claims: string): string {
  const text = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  return `${text}.${createHmac('sha256', sessionSecret).update(text).digest('base64url')}`;
}
