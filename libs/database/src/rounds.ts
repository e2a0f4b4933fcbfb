/** A claim on a key that several claims may name: the earliest accepted comes first. */
interface TimedClaim {
  readonly acceptedAtMs: number;
}

type Settlement = { readonly outcome: string; readonly isNew?: boolean };

/** How the claims of a kind are told apart, and how those of one round, with distinct keys, are settled in one call. */
export interface RoundRules<Claim, S extends Settlement> {
  /** What a call may name once: a packet; a packet and user. */
  keyOf(claim: Claim): string | bigint;
  /** What, besides the key, makes two claims the same. */
  identityOf(claim: Claim): string;
  settle(claims: readonly Claim[]): Promise<S[]>;
}

/**
 * Settles a batch so that each call meets a key once; gives the settlements in the order of the claims. Claims that are the same
 * are settled once: the earliest stands for all, and the others are not new. Claims that differ on one key, which only forged or
 * expired tickets make, go into rounds, one after the other: each is decided with what came before it booked.
 */
export async function settleInRounds<Claim extends TimedClaim, S extends Settlement>(
  claims: readonly Claim[],
  rules: RoundRules<Claim, S>,
): Promise<S[]> {
  const { rounds, settledBy } = planRounds(claims, rules);
  const settled = new Map<number, S>();
  for (const round of rounds) {
    const settlements = await rules.settle(round.map((at) => claims[at]!));
    round.forEach((at, i) => {
      settled.set(at, settlements[i]!);
    });
  }
  return settledBy.map((first, at) => (first === at ? settled.get(at)! : repeated(settled.get(first)!)));
}

function repeated<S extends Settlement>(settlement: S): S {
  return settlement.isNew === undefined ? settlement : { ...settlement, isNew: false };
}

/** The positions of the claims that each round settles, in order of acceptance; and for each claim the position that stands for it. */
function planRounds<Claim extends TimedClaim>(
  claims: readonly Claim[],
  { keyOf, identityOf }: Pick<RoundRules<Claim, Settlement>, 'keyOf' | 'identityOf'>,
): { rounds: number[][]; settledBy: number[] } {
  const order = claims.map((_, at) => at).sort((a, b) => claims[a]!.acceptedAtMs - claims[b]!.acceptedAtMs || a - b);
  const firsts = new Map<string | bigint, Map<string, number>>();
  const rounds: number[][] = [];
  const settledBy = new Array<number>(claims.length);
  for (const at of order) {
    const key = keyOf(claims[at]!);
    const identity = identityOf(claims[at]!);
    const sameKey = firsts.get(key) ?? new Map<string, number>();
    firsts.set(key, sameKey);
    const first = sameKey.get(identity) ?? at;
    settledBy[at] = first;
    if (first !== at) continue;
    sameKey.set(identity, at);
    rounds[sameKey.size - 1] ??= [];
    rounds[sameKey.size - 1]!.push(at);
  }
  return { rounds, settledBy };
}
