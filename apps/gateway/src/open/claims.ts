import { type Claim, type KeyRing, verifyClaim } from '#libs/domain';
import { ProblemError } from '#libs/runtime';

/**
 * The ticket behind a text.
 * @throws ProblemError `ticket_invalid`; `ticket_not_yours` when it is another user's.
 */
export function ticketOf(ring: KeyRing, text: string, userId: string): Claim {
  return ownClaim(verifyClaim(ring, 'ticket', text), userId);
}

/** A receipt: the proof that an open was accepted, and when. @throws ProblemError as `ticketOf`. */
export function receiptOf(ring: KeyRing, text: string, userId: string): Claim {
  return ownClaim(verifyClaim(ring, 'receipt', text), userId);
}

/** True when the receipt was given for an open with this very ticket. */
export function isReceiptFor(receipt: Claim, ticket: Claim): boolean {
  return receipt.packetId === ticket.packetId && receipt.epoch === ticket.epoch && receipt.eventId === ticket.eventId;
}

function ownClaim(claim: Claim | undefined, userId: string): Claim {
  if (claim === undefined) throw new ProblemError('ticket_invalid');
  if (claim.userId !== userId) throw new ProblemError('ticket_not_yours');
  return claim;
}
