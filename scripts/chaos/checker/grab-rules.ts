import { packetRefOf } from '#libs/domain';
import type { GrabEntry } from '../chaos-log.ts';
import type { GrabRow, GrantRow } from '../ledger.ts';
import {
  clockMarginMs,
  distinct,
  type Evidence,
  grantsByPacket,
  groupBy,
  isGrab,
  type Violation,
  violation,
} from './evidence.ts';

/** One friend's dealings with one share: packet, epoch and owner, as its token names them. */
interface Case {
  readonly userId: string;
  readonly packetId: string;
  readonly epoch: number;
  readonly ownerId: string;
  readonly asked: readonly GrabEntry[];
  readonly grant: GrantRow | undefined;
  /** What the books say that this friend took of the packet. */
  readonly own: GrabRow | undefined;
  /** Portions of the packet that were taken, by anybody. */
  readonly taken: number;
  readonly portions: number;
}

/** What was said of grabs, and what the books have of them. */
export function findGrabViolations(evidence: Evidence): Violation[] {
  const cases = casesOf(evidence);
  return [
    ...cases.flatMap((one) => [
      ...findBrokenCredits(one),
      ...findBrokenOutcomes(one, evidence),
      ...findFalseAnswers(one, evidence),
    ]),
    ...findPortionsTwice(evidence),
    ...findBookedGrabs(evidence, cases),
  ];
}

function casesOf({ entries, ledger }: Evidence): Case[] {
  const grants = grantsByPacket(ledger);
  const grabsOf = groupBy(ledger.grabs, ({ packetId }) => packetId);
  const portionsOf = new Map(ledger.pools.map(({ poolId, sharePortions }) => [poolId, sharePortions]));
  const groups = groupBy(
    entries.filter(isGrab),
    (grab) => `${grab.userId} ${grab.packetId} ${grab.epoch} ${grab.ownerId}`,
  );
  return [...groups.values()].map((asked) => {
    const { userId, packetId, epoch, ownerId } = asked[0]!;
    const grabs = grabsOf.get(packetId) ?? [];
    return {
      userId,
      packetId,
      epoch,
      ownerId,
      asked,
      grant: grants.get(packetId),
      own: grabs.find((grab) => grab.userId === userId),
      taken: grabs.length,
      portions: portionsOf.get(packetRefOf(BigInt(packetId)).poolId) ?? 0,
    };
  });
}

const nameOf = ({ userId, packetId, ownerId }: Case): string =>
  `grab of packet ${packetId} from ${ownerId} by ${userId}`;

function findBrokenCredits(one: Case): Violation[] {
  const { packetId, ownerId, asked, own, grant } = one;
  const credits = asked.flatMap(({ said }) => (said.kind === 'credited' ? said : []));
  if (credits.length === 0) return [];
  const found: Violation[] = [];
  if (own === undefined) {
    found.push(violation('grab-missing', `${nameOf(one)}: told credited, the books do not have it`, packetId));
  } else if (credits.some(({ portion, amountFen }) => portion !== own.portion || amountFen !== own.amountFen)) {
    const told = distinct(credits.map(({ portion, amountFen }) => `portion ${portion} of ${amountFen} fen`)).join(
      ' and ',
    );
    const text = `${nameOf(one)}: told ${told}, booked portion ${own.portion} of ${own.amountFen} fen`;
    found.push(violation('grab-amount-differs', text, packetId));
  }
  if (grant !== undefined && grant.userId !== ownerId)
    found.push(violation('grab-of-lapsed-share', `${nameOf(one)}: the packet is ${grant.userId}'s`, packetId));
  return found;
}

function findBrokenOutcomes(one: Case, { ledger }: Evidence): Violation[] {
  const { packetId, asked } = one;
  const isAfterEnd = (grab: GrabEntry): boolean => grab.atMs > ledger.sharesEndMs - clockMarginMs;
  // When the shares have ended, "expired" is a fair answer to who had come too late before.
  const outcomes = distinct(
    asked.flatMap((grab) =>
      isFinal(grab) && !(grab.said.kind === 'expired' && isAfterEnd(grab)) ? grab.said.kind : [],
    ),
  );
  const hasExpired = asked.some(({ said }) => said.kind === 'expired');
  const wasCredited = outcomes.includes('credited');
  const found: Violation[] = [];
  if (outcomes.length > 1 || (wasCredited && hasExpired)) {
    const told = distinct(asked.filter(isFinal).map(({ said }) => said.kind)).join(', then ');
    found.push(violation('grab-two-outcomes', `${nameOf(one)}: told ${told}`, packetId));
  }
  if (outcomes.length === 0 && !hasExpired && asked.some(({ said }) => said.kind === 'pending'))
    found.push(violation('grab-unsettled', `${nameOf(one)}: told pending and never an outcome`, packetId));
  return found;
}

function isFinal({ said }: GrabEntry): boolean {
  return said.kind === 'credited' || said.kind === 'empty' || said.kind === 'expired';
}

function findFalseAnswers(one: Case, { ledger, isStoreLost }: Evidence): Violation[] {
  const { packetId, epoch, ownerId, asked, grant, own, taken, portions } = one;
  const isOwners = grant !== undefined && grant.userId === ownerId && grant.epoch === epoch;
  const openUntilMs = ledger.sharesEndMs - clockMarginMs;
  const found: Violation[] = [];
  if (asked.some(({ said }) => said.kind === 'empty') && taken < portions)
    found.push(
      violation('grab-false-empty', `${nameOf(one)}: told empty with ${taken} of ${portions} taken`, packetId),
    );
  if (isOwners && asked.some(({ said, atMs }) => said.kind === 'expired' && atMs < openUntilMs))
    found.push(violation('grab-false-expired', `${nameOf(one)}: told expired while the share was good`, packetId));
  // Accepted while the packet was granted already: a portion, or none is left. Before that, "pending" may mean: ask again.
  const accepted = asked.find(
    ({ said, sentAtMs, atMs }) =>
      said.kind === 'pending' && isOwners && sentAtMs > grant.grantedAtMs + clockMarginMs && atMs < openUntilMs,
  );
  if (accepted !== undefined && own === undefined && taken < portions && !isStoreLost)
    found.push(
      violation('grab-lost', `${nameOf(one)}: accepted, and not booked with ${taken} of ${portions} taken`, packetId),
    );
  return found;
}

function findPortionsTwice({ entries }: Evidence): Violation[] {
  const credited = entries.filter(isGrab).flatMap(({ packetId, userId, said }) => {
    return said.kind === 'credited' ? { packetId, userId, portion: said.portion } : [];
  });
  return [...groupBy(credited, ({ packetId, portion }) => `portion ${portion} of packet ${packetId}`)].flatMap(
    ([what, group]) => {
      const owners = distinct(group.map(({ userId }) => userId));
      if (owners.length === 1) return [];
      return violation('grab-portion-twice', `${what}: told credited to ${owners.join(' and ')}`, group[0]!.packetId);
    },
  );
}

function findBookedGrabs({ ledger }: Evidence, cases: readonly Case[]): Violation[] {
  const told = new Set(
    cases
      .filter(({ asked }) => asked.some(({ said }) => said.kind === 'credited'))
      .map(({ userId, packetId }) => `${userId} ${packetId}`),
  );
  const untold = ledger.grabs
    .filter(({ userId, packetId }) => !told.has(`${userId} ${packetId}`))
    .map(({ userId, packetId }) =>
      violation('grab-untold', `packet ${packetId}: a portion is booked to ${userId}, who was never told`, packetId),
    );
  const doubles = [...groupBy(ledger.grabs, ({ userId, packetId }) => `${userId} ${packetId}`).values()]
    .filter((grabs) => grabs.length > 1)
    .map(([first]) =>
      violation('grab-twice', `packet ${first!.packetId}: ${first!.userId} has two portions`, first!.packetId),
    );
  return [...untold, ...doubles];
}
