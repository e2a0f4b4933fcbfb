import type { OpenEntry } from '../chaos-log.ts';
import { clockMarginMs, type Evidence, groupBy, isHit, isOpen, type Violation, violation } from './evidence.ts';

/** A `Retry-After` from which on an open is not held up by an outage, but put off until the event is settled. */
const putOffFromMs = 20_000;

/**
 * Opens that were told to come back when the event is settled. That is right only of a ticket that is past its end and has no receipt, and
 * only between the replacement of the store that knew of it and the settlement.
 */
export function findPutOffViolations(evidence: Evidence): Violation[] {
  const hits = groupBy(evidence.entries.filter(isHit), keyOf);
  const putOff = evidence.entries.filter(isOpen).filter(isPutOff);
  return [...groupBy(putOff, keyOf).values()].flatMap((opens) => {
    for (const open of opens) {
      const wrong = whatIsWrong(open, evidence, hits.get(keyOf(open))?.[0]?.expiresAtMs);
      if (wrong === undefined) continue;
      const { packetId, epoch, userId } = open;
      return violation('put-off-without-reason', `packet ${packetId} epoch ${epoch}, ${userId}: ${wrong}`, packetId);
    }
    return [];
  });
}

function isPutOff({ said }: OpenEntry): boolean {
  return said.kind === 'refused' && said.code === 'dependency_unavailable' && (said.retryAfterMs ?? 0) >= putOffFromMs;
}

function whatIsWrong(
  open: OpenEntry,
  { storeReplacedFromMs, settledAtMs }: Evidence,
  wonUntilMs: number | undefined,
): string | undefined {
  const { what, hasReceipt, sentAtMs, atMs, expiresAtMs = wonUntilMs } = open;
  if (what === 'status' || hasReceipt) return 'put off although there is a receipt';
  if (storeReplacedFromMs === undefined) return 'put off although the store was there all the time';
  if (atMs < storeReplacedFromMs) return `put off ${storeReplacedFromMs - atMs} ms before the store was replaced`;
  if (expiresAtMs !== undefined && atMs + clockMarginMs < expiresAtMs)
    return `put off ${expiresAtMs - atMs} ms before the end of the ticket`;
  if (settledAtMs !== undefined && sentAtMs > settledAtMs) return 'put off although the event is settled';
  return undefined;
}

function keyOf({ packetId, epoch, userId }: Pick<OpenEntry, 'packetId' | 'epoch' | 'userId'>): string {
  return `${packetId} ${epoch} ${userId}`;
}
