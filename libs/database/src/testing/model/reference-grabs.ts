import { derivePortions, packetRefOf } from '#libs/domain';
import type { GrabClaim, GrabSettlement } from '../../sql/settle-grabs.sql.ts';
import { testSecret } from '../event.ts';
import { claimOrder, mismatch } from './order.ts';
import type { Reference } from './reference.ts';

const keyOf = ({ packetId, epoch, ownerId, userId }: GrabClaim): string =>
  `${packetId}/${epoch}/${ownerId} by ${userId}`;

/**
 * Books what `settle_grabs` says of a batch, if each answer is one that the rules allow. `no_grant_yet` alone may change.
 * `sinceCommitNo`: the commits before it began. @throws at the first answer that is wrong.
 */
export function settleGrabs(
  reference: Reference,
  claims: readonly GrabClaim[],
  answers: readonly GrabSettlement[],
  sinceCommitNo: number,
): void {
  const order = claimOrder(
    claims,
    ({ packetId, userId }) => `${packetId}/${userId}`,
    ({ epoch, ownerId }) => `${epoch}/${ownerId}`,
  );
  for (const at of order) settleGrab(reference, claims[at]!, answers[at]!, sinceCommitNo);
}

function settleGrab(reference: Reference, claim: GrabClaim, answer: GrabSettlement, sinceCommitNo: number): void {
  const { packetId, epoch, ownerId, userId } = claim;
  const key = `grab ${keyOf(claim)}`;
  // locks neither the owner nor the block: it may not have seen what was committed beside it, and is asked again
  if (answer.outcome === 'no_grant_yet' && reference.commits > sinceCommitNo) return;
  const known = reference.outcomes.get(key);
  if (known !== undefined && known !== 'credited') {
    mismatch.unlessIn(new Set([known]), answer.outcome, key);
    return;
  }
  const grant = reference.grants.get(packetId);
  const isOwners = grant?.userId === ownerId && grant.epoch === epoch;
  const taken = reference.grabs.get(packetId) ?? [];
  const mine = taken.findIndex((grab) => grab.userId === userId);
  if (isOwners && mine >= 0) {
    const { amountFen } = taken[mine]!;
    mismatch.unless({ outcome: 'credited', amountFen, portion: mine + 1, isNew: false }, answer, key);
    return;
  }
  const portions = portionsOf(reference, packetId);
  const denials = isOwners ? new Set<string>() : ownersDenials(reference, claim);
  if (isOwners && taken.length >= portions.length) denials.add('empty');
  if (reference.isSettling) denials.add('expired');
  if (denials.size > 0) {
    mismatch.unlessIn(denials, answer.outcome, key);
    if (answer.outcome !== 'no_grant_yet') reference.outcomes.set(key, answer.outcome);
    return;
  }
  const amountFen = portions[taken.length]!;
  mismatch.unless({ outcome: 'credited', amountFen, portion: taken.length + 1, isNew: true }, answer, key);
  reference.grabs.set(packetId, [...taken, { userId, amountFen }]);
}

/** What may be said of a share whose owner does not have the packet by the ticket that the share names. */
function ownersDenials(reference: Reference, { packetId, epoch }: GrabClaim): Set<string> {
  const grant = reference.grants.get(packetId);
  const block = reference.blockOf(packetId);
  const isPossible = grant === undefined && block !== undefined && block.state !== 'closed' && block.epoch <= epoch;
  if (isPossible) return new Set(['no_grant_yet']);
  return new Set(grant === undefined ? ['expired'] : ['expired', 'taken']);
}

export function portionsOf(reference: Reference, packetId: bigint): number[] {
  return derivePortions(testSecret, reference.pools.get(packetRefOf(packetId).poolId)!, packetId);
}
