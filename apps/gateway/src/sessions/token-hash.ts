import { hash, randomBytes } from 'node:crypto';

/** Words of a hash: 96 bits. */
export const tokenHashWords = 3;
const keyBytes = 32;

/**
 * The hash by which a cached session is found: the first 96 bits of SHA-256(key ‖ header), over the whole Authorization header, with
 * a key of this process alone. Whoever changes one character of a token meets another hash, and without the key nobody can look for
 * two tokens that share one; no hash ever leaves the process. A one-shot SHA-256 costs 0.5 µs for a token of 170 characters, as much as
 * a Map takes to hash and compare such a key; a SipHash made of 32-bit operations of JavaScript costs no less.
 */
export class TokenHash {
  /** The hash of the latest call, as signed words: read at once. */
  readonly words = new Int32Array(tokenHashWords);
  private readonly bytes = Buffer.from(this.words.buffer);
  /** Key bytes as characters: the hash reads it as UTF-8, which is as good a key. */
  private readonly key: string;
  private latest: string | undefined;

  constructor(key: Buffer = randomBytes(keyBytes)) {
    this.key = key.toString('hex');
  }

  /** Hashes a header of any length into `words`. Asked again for the same one, as for a new session, it has it still. */
  take(authorization: string): void {
    if (authorization === this.latest) return;
    this.latest = authorization;
    // what does not fit is left out
    this.bytes.write(hash('sha256', this.key + authorization, 'binary'), 0, 'latin1');
  }
}
