import { createLocalJWKSet, type JSONWebKeySet } from 'jose';

/** Finds the key of a token in a set that was read. */
export type LocalKeys = ReturnType<typeof createLocalJWKSet>;

export interface JwksReadLimits {
  /** From connecting to the last byte. */
  readonly timeoutMs: number;
  /** A longer answer is broken off: whoever gives the keys must not fill this process' memory. */
  readonly bytesMax: number;
}

/**
 * Reads the key set of a host application once: 200, JSON, no redirect.
 * @throws Error when there is no such answer in time, or it is too long or no key set.
 */
export async function readJwks(address: string, { timeoutMs, bytesMax }: JwksReadLimits): Promise<LocalKeys> {
  const response = await fetch(address, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await readText(response, bytesMax);
  if (response.status !== 200) throw new Error(`the session keys' address answered ${response.status}`);
  return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
}

async function readText({ body }: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    // leaving the loop ends the connection
    if (bytes > bytesMax) throw new Error(`session keys of more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
