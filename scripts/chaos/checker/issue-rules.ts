import { packetRefOf } from '#libs/domain';
import type { HitEntry } from '../chaos-log.ts';
import { clockMarginMs, type Evidence, grantsByPacket, groupBy, isHit, type Violation, violation } from './evidence.ts';

/** What the gateways issued, as far as anybody was told: each index once per epoch, in its time, within the event. */
export function findIssueViolations(evidence: Evidence): Violation[] {
  const hits = evidence.entries.filter(isHit);
  const packets = [...groupBy(hits, ({ packetId }) => packetId).values()];
  return [
    ...packets.flatMap((group) => [...findDoubleIssues(group), ...findEarlyReissues(group, evidence)]),
    ...findIssuesAfterGrant(packets, evidence),
    ...hits.flatMap((hit) => findWrongEnd(hit, evidence)),
    ...findFresh(hits, evidence).flatMap((hit) => [...findShortLife(hit, evidence), ...findLateIssue(hit, evidence)]),
    ...findWindowViolations(evidence),
  ];
}

function findDoubleIssues(hits: readonly HitEntry[]): Violation[] {
  return [...groupBy(hits, ({ epoch }) => String(epoch)).values()].flatMap((group) => {
    const tickets = new Set(group.map(({ userId, expiresAtMs }) => `${userId} until ${expiresAtMs}`));
    const { packetId, epoch } = group[0]!;
    if (tickets.size === 1) return [];
    return violation(
      'issued-twice',
      `packet ${packetId} epoch ${epoch}: issued to ${[...tickets].join(' and ')}`,
      packetId,
    );
  });
}

/** The instant of an issue is told by the ticket: it lives for the event's ticket life. */
function findEarlyReissues(hits: readonly HitEntry[], { ledger }: Evidence): Violation[] {
  const inOrder = [...hits].sort((a, b) => a.epoch - b.epoch);
  return inOrder.flatMap((later, index) => {
    const issuedAtMs = later.expiresAtMs - ledger.ticketTtlMs;
    const valid = inOrder.slice(0, index).find((hit) => hit.epoch < later.epoch && hit.expiresAtMs > issuedAtMs);
    if (valid === undefined) return [];
    const { packetId, epoch } = later;
    const text = `packet ${packetId}: issued in epoch ${epoch} while the ticket of ${valid.userId} in epoch ${valid.epoch} was valid`;
    return violation('reissued-early', text, packetId);
  });
}

function findIssuesAfterGrant(packets: readonly HitEntry[][], { ledger }: Evidence): Violation[] {
  const grants = grantsByPacket(ledger);
  return packets.flatMap((hits) => {
    const { packetId } = hits[0]!;
    const grant = grants.get(packetId);
    const later = hits.find(({ epoch }) => grant !== undefined && epoch > grant.epoch);
    if (grant === undefined || later === undefined) return [];
    const text = `packet ${packetId}: granted in epoch ${grant.epoch} and issued to ${later.userId} in epoch ${later.epoch}`;
    return violation('reissued-although-granted', text, packetId);
  });
}

/**
 * The answers that were made as they were asked for. Whoever shakes again in the same turn gets the ticket that he won before, and is the
 * first to read it if the answer was lost then, or went nowhere.
 */
function findFresh(hits: readonly HitEntry[], { entries, ledger, isMirrored }: Evidence): HitEntry[] {
  if (isMirrored) return [];
  const lost = groupBy(
    entries.filter(({ what }) => what === 'lost_shake'),
    ({ userId }) => userId,
  );
  const tickets = groupBy(hits, (hit) => `${hit.packetId} ${hit.epoch} ${hit.userId} ${hit.expiresAtMs}`);
  const firsts = [...tickets.values()].map((answers) => answers.reduce((a, b) => (b.sentAtMs < a.sentAtMs ? b : a)));
  return firsts.filter(({ userId, expiresAtMs }) => {
    const issuedAtMs = expiresAtMs - ledger.ticketTtlMs;
    return !(lost.get(userId) ?? []).some(({ sentAtMs }) => sentAtMs < issuedAtMs + clockMarginMs);
  });
}

function findWrongEnd(hit: HitEntry, { ledger }: Evidence): Violation[] {
  const { packetId, userId, expiresAtMs, sentAtMs, atMs } = hit;
  const found: Violation[] = [];
  if (expiresAtMs > atMs + ledger.ticketTtlMs + clockMarginMs) found.push(wrongLife(hit, ledger));
  if (sentAtMs > ledger.endsAtMs + clockMarginMs || atMs < ledger.startsAtMs - clockMarginMs)
    found.push(violation('outside-window', `packet ${packetId}: issued to ${userId} outside of the event`, packetId));
  return found;
}

function findShortLife(hit: HitEntry, { ledger }: Evidence): Violation[] {
  return hit.expiresAtMs < hit.sentAtMs + ledger.ticketTtlMs - clockMarginMs ? [wrongLife(hit, ledger)] : [];
}

function wrongLife({ packetId, userId, expiresAtMs, atMs }: HitEntry, { ticketTtlMs }: Evidence['ledger']): Violation {
  const text = `packet ${packetId}: the ticket of ${userId} ends ${expiresAtMs - atMs} ms after its answer, not ${ticketTtlMs}`;
  return violation('ticket-life', text, packetId);
}

function findLateIssue({ packetId, epoch, userId, sentAtMs }: HitEntry, { ledger }: Evidence): Violation[] {
  const { poolId, blockNo } = packetRefOf(BigInt(packetId));
  const block = ledger.blocks.find((row) => row.poolId === poolId && row.blockNo === blockNo && row.epoch === epoch);
  const lateMs = block === undefined ? 0 : sentAtMs - block.issueUntilMs;
  if (lateMs <= clockMarginMs) return [];
  const text = `packet ${packetId} epoch ${epoch}: issued to ${userId} at least ${lateMs} ms after its block's end`;
  return [violation('issued-late', text, packetId)];
}

/** "Over" and "not begun" by the wrong clock send people away. */
function findWindowViolations({ entries, ledger }: Evidence): Violation[] {
  const endMs = Math.min(ledger.endsAtMs, ledger.closedAtMs ?? Number.POSITIVE_INFINITY);
  const early = entries.find((entry) => entry.what === 'over' && entry.atMs < endMs - clockMarginMs);
  const late = entries.find(
    (entry) => entry.what === 'not_started' && entry.sentAtMs > ledger.startsAtMs + clockMarginMs,
  );
  return [
    ...(early
      ? [violation('outside-window', `${early.userId}: told over ${endMs - early.atMs} ms before the end`)]
      : []),
    ...(late ? [violation('outside-window', `${late.userId}: told "not started" after the start`)] : []),
  ];
}
