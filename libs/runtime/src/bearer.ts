import { createHash, timingSafeEqual } from 'node:crypto';

const prefix = 'Bearer ';

/** The token of an `Authorization: Bearer …` header, or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return header?.startsWith(prefix) && header.length > prefix.length ? header.slice(prefix.length) : undefined;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Compares two secrets in constant time, whatever their lengths. */
export function secretsEqual(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}
