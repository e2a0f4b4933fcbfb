import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/** Whose tokens are accepted, where the settings say so, and how far the clocks of issuer and gateway may differ. */
export interface TokenRules {
  readonly issuer?: string;
  readonly audience?: string;
  readonly toleranceSeconds: number;
}

/** What a session is made from. Whole or fractional seconds since the epoch, as in the token. */
export interface TokenSubject {
  readonly sub: string;
  readonly exp: number;
}

/** The header of the tokens that are made here. */
const ownHeader = encode({ alg: 'HS256' });

/**
 * Session tokens by a shared secret: JWTs with HS256, verified within one turn of the event loop. A few microseconds, where jose, which
 * goes through WebCrypto and promises, takes about forty; at the start of an event every session is new, and that is the load that
 * counts. The rules are jose's as the gateway would call it (the test compares the two, token by token), in two places stricter: the
 * signature must be the canonical text, and a header that names `crit` is refused. The algorithm is pinned.
 */
export class SecretTokens {
  private readonly key: KeyObject;
  /** The encoded header of the last good token: an issuer writes the same one into all of them. */
  private knownHeader = ownHeader;

  constructor(
    secret: string,
    private readonly rules: TokenRules,
  ) {
    this.key = createSecretKey(secret, 'utf8');
  }

  /** A token of these claims. */
  sign(claims: Readonly<Record<string, unknown>>): string {
    const { issuer, audience } = this.rules;
    const all = {
      ...claims,
      ...(issuer === undefined ? {} : { iss: issuer }),
      ...(audience === undefined ? {} : { aud: audience }),
    };
    const text = `${ownHeader}.${encode(all)}`;
    return `${text}.${this.macOf(text)}`;
  }

  /** The subject of a token that holds at `nowMs` (this machine's clock), or undefined. */
  verify(token: string, nowMs: number): TokenSubject | undefined {
    const claimsAt = token.indexOf('.') + 1;
    const macAt = token.indexOf('.', claimsAt) + 1;
    if (claimsAt === 0 || macAt === 0) return undefined;
    const header = token.slice(0, claimsAt - 1);
    if (header !== this.knownHeader && !isHs256(header)) return undefined;
    if (!equalTexts(this.macOf(token.slice(0, macAt - 1)), token.slice(macAt))) return undefined;
    this.knownHeader = header;
    const claims = decode(token.slice(claimsAt, macAt - 1));
    return claims !== undefined && this.holds(claims, Math.floor(nowMs / 1000)) ? claims : undefined;
  }

  private macOf(text: string): string {
    return createHmac('sha256', this.key).update(text).digest('base64url');
  }

  private holds(claims: Claims, nowSeconds: number): claims is Claims & TokenSubject {
    const { sub, exp, nbf, iat, iss, aud } = claims;
    const { issuer, audience, toleranceSeconds } = this.rules;
    if (typeof sub !== 'string' || typeof exp !== 'number' || exp <= nowSeconds - toleranceSeconds) return false;
    if (nbf !== undefined && (typeof nbf !== 'number' || nbf > nowSeconds + toleranceSeconds)) return false;
    if (iat !== undefined && typeof iat !== 'number') return false;
    if (issuer !== undefined && iss !== issuer) return false;
    return audience === undefined || aud === audience || (Array.isArray(aud) && aud.includes(audience));
  }
}

function isHs256(encodedHeader: string): boolean {
  const header = decode(encodedHeader);
  return header?.alg === 'HS256' && !('crit' in header);
}

type Claims = Readonly<Record<string, unknown>>;

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The JSON object in a base64url text, or undefined. */
function decode(text: string): Claims | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    // not JSON: whoever made it is told no more than that the token is no good
    return undefined;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : undefined;
}

/** In constant time for texts of one length. */
function equalTexts(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
