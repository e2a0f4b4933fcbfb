import { deepStrictEqual } from 'node:assert/strict';

/**
 * The order in which a batch counts: by acceptance; but a claim that differs from an earlier one on the same key comes after all that do
 * not. Gives positions.
 */
export function claimOrder<Claim extends { readonly acceptedAtMs: number }>(
  claims: readonly Claim[],
  keyOf: (claim: Claim) => string | bigint,
  identityOf: (claim: Claim) => string,
): number[] {
  const byTime = claims.map((_, at) => at).sort((a, b) => claims[a]!.acceptedAtMs - claims[b]!.acceptedAtMs || a - b);
  const rounds: number[][] = [];
  const identities = new Map<string | bigint, string[]>();
  for (const at of byTime) {
    const known = identities.get(keyOf(claims[at]!)) ?? [];
    identities.set(keyOf(claims[at]!), known);
    const identity = identityOf(claims[at]!);
    if (!known.includes(identity)) known.push(identity);
    const round = known.indexOf(identity);
    rounds[round] = [...(rounds[round] ?? []), at];
  }
  return rounds.flat();
}

/** The database and the model disagree, or an invariant does not hold. */
export class Mismatch extends Error {
  override readonly name = 'Mismatch';
}

export const mismatch = {
  unless(expected: unknown, actual: unknown, what: string): void {
    try {
      deepStrictEqual(actual, expected);
    } catch (cause) {
      throw new Mismatch(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  },

  unlessIn(allowed: ReadonlySet<string>, actual: string, what: string): void {
    if (!allowed.has(actual)) throw new Mismatch(`${what} is ${actual}, not one of ${[...allowed].join(', ')}`);
  },

  unlessTrue(holds: boolean, what: string): void {
    if (!holds) throw new Mismatch(what);
  },
} as const;
