import type { Entry } from '../chaos-log.ts';
import { type Evidence, type Violation, violation } from './evidence.ts';
import { findGrabViolations } from './grab-rules.ts';
import { findIssueViolations } from './issue-rules.ts';
import { findLedgerViolations } from './ledger-rules.ts';
import { findOpenViolations } from './open-rules.ts';
import { findPutOffViolations } from './put-off-rules.ts';

/** Everything in which the books and what people were told break an invariant; none when all is well. Pure. */
export function findViolations(evidence: Evidence): Violation[] {
  return [
    ...findOpenViolations(evidence),
    ...findPutOffViolations(evidence),
    ...findIssueViolations(evidence),
    ...findGrabViolations(evidence),
    ...findLedgerViolations(evidence),
    ...findOddAnswers(evidence.entries),
    ...evidence.defects.map((text) => violation('defect', text)),
  ];
}

/** An undocumented 5xx, a problem without a code, a 4xx to a request that is in order. */
function findOddAnswers(entries: readonly Entry[]): Violation[] {
  return entries.flatMap((entry) => {
    if (!('said' in entry) || entry.said.kind !== 'odd') return [];
    const { status, text } = entry.said;
    const what = entry.what === 'other' ? entry.route : entry.what;
    const packets = 'packetId' in entry ? [entry.packetId] : [];
    return violation('odd-answer', `${what} of ${entry.userId}: ${status} ${text}`, ...packets);
  });
}
