import type { Denial, OpenEntry } from '../chaos-log.ts';
import type { GrantRow } from '../ledger.ts';
import {
  clockMarginMs,
  distinct,
  type Evidence,
  grantsByPacket,
  groupBy,
  isHit,
  isOpen,
  type Violation,
  violation,
} from './evidence.ts';

/** One user's dealings with one packet. */
interface Case {
  readonly userId: string;
  readonly packetId: string;
  readonly opens: readonly OpenEntry[];
  /** Who the packet was granted to, whoever that is. */
  readonly grant: GrantRow | undefined;
}

/** What was said of opens, each user and packet by itself: promises kept, outcomes that stay, denials that are true. */
export function findOpenViolations(evidence: Evidence): Violation[] {
  const grants = grantsByPacket(evidence.ledger);
  const cases = [
    ...groupBy(evidence.entries.filter(isOpen), ({ userId, packetId }) => `${userId} ${packetId}`).values(),
  ];
  return [
    ...cases.flatMap((opens) => {
      const { userId, packetId } = opens[0]!;
      const one = { userId, packetId, opens, grant: grants.get(packetId) };
      return [...findBrokenCredits(one), ...findBrokenTickets(one), ...findFalseDenials(one, evidence)];
    }),
    ...findTwoOwners(evidence),
    ...findUntoldGrants(evidence),
    ...findLateAcceptances(evidence),
  ];
}

function findBrokenCredits({ userId, packetId, opens, grant }: Case): Violation[] {
  const who = `packet ${packetId}, ${userId}`;
  const found: Violation[] = [];
  for (const { said } of opens) {
    if (said.kind !== 'credited' && said.kind !== 'pending') continue;
    if (said.packetId !== packetId)
      found.push(
        violation('other-packet', `${who}: the answer is of packet ${said.packetId}`, packetId, said.packetId),
      );
  }
  const amounts = distinct(opens.flatMap(({ said }) => (said.kind === 'credited' ? said.amountFen : [])));
  if (amounts.length === 0) return found;
  if (grant?.userId !== userId) {
    const books = grant === undefined ? 'nobody' : grant.userId;
    found.push(violation('credited-missing', `${who}: told credited, the books grant it to ${books}`, packetId));
  } else if (amounts.length > 1 || amounts[0] !== grant.amountFen) {
    found.push(
      violation('amount-differs', `${who}: told ${amounts.join(' and ')} fen, booked ${grant.amountFen}`, packetId),
    );
  }
  return found;
}

/** Ticket by ticket: one outcome, and one at all where there was a receipt. */
function findBrokenTickets({ userId, packetId, opens, grant }: Case): Violation[] {
  const tickets = groupBy(opens, ({ epoch }) => String(epoch));
  return [...tickets.values()].flatMap((asked) => {
    const { epoch } = asked[0]!;
    const who = `packet ${packetId} epoch ${epoch}, ${userId}`;
    // A packet that lapsed and was won by the same user again is credited by the later ticket alone.
    const outcomes = distinct(asked.flatMap((open) => outcomeOf(open)));
    const denials = outcomes.filter((outcome) => outcome !== 'credited');
    const hasReceipt = asked.some((open) => open.said.kind === 'pending');
    const found: Violation[] = [];
    if (outcomes.length > 1) {
      const rule = denials.length === outcomes.length ? 'two-denials' : 'two-outcomes';
      found.push(violation(rule, `${who}: told ${outcomes.join(', then ')}`, packetId));
    }
    if (hasReceipt && outcomes.length === 0)
      found.push(violation('pending-unsettled', `${who}: told pending and never an outcome`, packetId));
    // Over a limit the packet goes back, and on: that a receipt was given does not matter then.
    if (hasReceipt && denials.length > 0 && !denials.some((code) => code.endsWith('limit_reached')))
      found.push(violation('receipt-not-honoured', `${who}: told pending, then ${denials.join(', ')}`, packetId));
    if (grant?.userId === userId && grant.epoch === epoch && denials.length > 0)
      found.push(violation('denied-but-booked', `${who}: told ${denials.join(', ')}, but it is booked`, packetId));
    return found;
  });
}

function outcomeOf({ said }: OpenEntry): ('credited' | Denial)[] {
  if (said.kind === 'credited') return ['credited'];
  return said.kind === 'denied' ? [said.code] : [];
}

/** A denial says something that can be looked up. */
function findFalseDenials({ userId, packetId, opens, grant }: Case, { ledger, entries }: Evidence): Violation[] {
  const own = ledger.grants.filter((one) => one.userId === userId);
  const who = `packet ${packetId}, ${userId}`;
  const hits = entries.filter(isHit).filter((hit) => hit.packetId === packetId && hit.userId === userId);
  const falsehoodOf = (open: OpenEntry): Violation | undefined => {
    if (open.said.kind !== 'denied') return undefined;
    const hit = hits.find(({ epoch }) => epoch === open.epoch);
    switch (open.said.code) {
      case 'limit_reached':
        if (own.length >= ledger.perUserMax) return undefined;
        return violation('false-limit', `${who}: over the limit with ${own.length} packets`, packetId);
      case 'sponsor_limit_reached':
        if (hit === undefined || own.some((one) => one.sponsorId === hit.sponsorId && one.packetId !== packetId))
          return undefined;
        return violation('false-limit', `${who}: has no other packet of sponsor ${hit.sponsorId}`, packetId);
      case 'packet_gone':
        if (grant !== undefined && grant.userId !== userId) return undefined;
        return violation('false-gone', `${who}: told that it went to somebody else, which it did not`, packetId);
      case 'ticket_expired': {
        const leftMs = (open.expiresAtMs ?? hit?.expiresAtMs ?? 0) - open.atMs;
        if (leftMs <= clockMarginMs) return undefined;
        return violation('expired-too-early', `${who}: told expired ${leftMs} ms before the end`, packetId);
      }
    }
  };
  const found = opens.flatMap((open) => falsehoodOf(open) ?? []);
  return [...new Map(found.map((one) => [one.rule, one])).values()];
}

function findTwoOwners({ entries }: Evidence): Violation[] {
  const credited = entries.filter(isOpen).filter(({ said }) => said.kind === 'credited');
  return [...groupBy(credited, ({ packetId }) => packetId)].flatMap(([packetId, opens]) => {
    const owners = distinct(opens.map(({ userId }) => userId));
    if (owners.length === 1) return [];
    return violation('two-owners', `packet ${packetId}: told credited to ${owners.join(' and ')}`, packetId);
  });
}

/** Everybody asks until there is an outcome: what is booked was told, and what is booked was asked for. */
function findUntoldGrants({ entries, ledger }: Evidence): Violation[] {
  const asked = groupBy(entries.filter(isOpen), ({ userId, packetId }) => `${userId} ${packetId}`);
  return ledger.grants.flatMap(({ packetId, userId }) => {
    const opens = asked.get(`${userId} ${packetId}`);
    if (opens === undefined)
      return violation('booked-unasked', `packet ${packetId}: booked to ${userId}, who never opened it`, packetId);
    if (opens.some(({ said }) => said.kind === 'credited')) return [];
    return violation('booked-untold', `packet ${packetId}: booked to ${userId}, who was never told`, packetId);
  });
}

function findLateAcceptances({ entries, ledger }: Evidence): Violation[] {
  const hits = new Map(entries.filter(isHit).map((hit) => [`${hit.packetId} ${hit.epoch} ${hit.userId}`, hit]));
  return ledger.grants.flatMap(({ packetId, epoch, userId, acceptedAtMs }) => {
    const hit = hits.get(`${packetId} ${epoch} ${userId}`);
    const lateMs = hit === undefined ? 0 : acceptedAtMs - hit.expiresAtMs;
    if (lateMs <= clockMarginMs) return [];
    return violation(
      'accepted-after-expiry',
      `packet ${packetId}, ${userId}: accepted ${lateMs} ms too late`,
      packetId,
    );
  });
}
