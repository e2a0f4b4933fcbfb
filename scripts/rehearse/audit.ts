import type { Reconciliation } from '#libs/contracts';
import type { CreditedGrab, CreditedOpen, DeniedOpen } from './journal.ts';
import type { UserLedger } from './ledger.ts';

/** The users' own record of what they were told. */
export interface Promises {
  readonly opens: readonly CreditedOpen[];
  readonly denials: readonly DeniedOpen[];
  readonly grabs: readonly CreditedGrab[];
}

export interface EventRules {
  readonly eventId: string;
  readonly perUserMax: number;
}

/** Compares what users were told with what the books say of them; a sentence for each difference. */
export function findUserViolations(rules: EventRules, promises: Promises, ledgers: readonly UserLedger[]): string[] {
  const opensOf = byUser(promises.opens);
  const denialsOf = byUser(promises.denials);
  const grabsOf = byUser(promises.grabs);
  return ledgers.flatMap((ledger) => {
    const opens = opensOf.get(ledger.userId) ?? [];
    return [
      ...findLimitViolations(rules, ledger),
      ...findOpenViolations(ledger, opens, denialsOf.get(ledger.userId) ?? []),
      ...findBalanceViolations(ledger, opens, grabsOf.get(ledger.userId) ?? []),
    ];
  });
}

/** Invariants 1 and of shares: no packet to two users, no portion of a share to two. */
export function findDoubles(promises: Promises): string[] {
  const packets = promises.opens.map(({ packetId }) => `packet ${packetId}`);
  const portions = promises.grabs.map(({ packetId, portion }) => `portion ${portion} of packet ${packetId}`);
  const seen = new Set<string>();
  return [...packets, ...portions].flatMap((what) => {
    if (seen.has(what)) return `${what} was credited twice`;
    seen.add(what);
    return [];
  });
}

/** The event's books against the sum of all promises, and against themselves (invariant 8). */
export function findProofViolations(when: string, proof: Reconciliation, promises: Promises): string[] {
  const grantedFen = sumFen(promises.opens);
  const grabbedFen = sumFen(promises.grabs);
  const partsFen = proof.grantedFen + proof.grabbedFen + proof.refundedFen + proof.unclaimedFen;
  return [
    ...proof.violations.map((violation) => `${when}: ${violation}`),
    ...(proof.balanced ? [] : [`${when}: the reconciliation does not balance`]),
    ...unequal(`${when}: budget and its parts`, proof.budgetFen, partsFen),
    ...unequal(`${when}: packets granted and acknowledged`, proof.packets.granted, promises.opens.length),
    ...unequal(`${when}: fen granted and acknowledged`, proof.grantedFen, grantedFen),
    ...unequal(`${when}: fen grabbed and acknowledged`, proof.grabbedFen, grabbedFen),
  ];
}

function findLimitViolations(rules: EventRules, { userId, packets }: UserLedger): string[] {
  const own = packets.filter(({ eventId }) => eventId === rules.eventId);
  const sponsors = new Set(own.map(({ sponsor }) => sponsor.id));
  return [
    ...(own.length > rules.perUserMax ? [`${userId} holds ${own.length} packets, over ${rules.perUserMax}`] : []),
    ...(sponsors.size < own.length ? [`${userId} holds two packets of one sponsor`] : []),
  ];
}

function findOpenViolations(
  { userId, packets }: UserLedger,
  opens: readonly CreditedOpen[],
  denials: readonly DeniedOpen[],
): string[] {
  const denied = new Map(denials.map(({ packetId, told }) => [packetId, told]));
  const booked = new Map(packets.map(({ packetId, amountFen }) => [packetId, amountFen]));
  const told = new Set(opens.map(({ packetId }) => packetId));
  const missing = opens.flatMap(({ packetId, amountFen }) => {
    const bookedFen = booked.get(packetId);
    if (bookedFen === undefined) return `${userId} was credited packet ${packetId}, but the books do not have it`;
    return unequal(`${userId}, packet ${packetId}: fen booked and acknowledged`, bookedFen, amountFen);
  });
  const untold = packets
    .filter(({ packetId }) => !told.has(packetId))
    .map(({ packetId }) => {
      const answer = denied.get(packetId);
      return `${userId} has packet ${packetId} in the books, but was told ${answer ?? 'nothing'}`;
    });
  return [...missing, ...untold];
}

function findBalanceViolations(
  { userId, balanceFen }: UserLedger,
  opens: readonly CreditedOpen[],
  grabs: readonly CreditedGrab[],
): string[] {
  return unequal(`${userId}: balance and acknowledged amounts`, balanceFen, sumFen(opens) + sumFen(grabs));
}

function byUser<T extends { readonly userId: string }>(list: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(item.userId);
    if (group) group.push(item);
    else groups.set(item.userId, [item]);
  }
  return groups;
}

function sumFen(list: readonly { readonly amountFen: number }[]): number {
  return list.reduce((sum, { amountFen }) => sum + amountFen, 0);
}

function unequal(what: string, a: number, b: number): string[] {
  return a === b ? [] : [`${what} differ: ${a} and ${b}`];
}
