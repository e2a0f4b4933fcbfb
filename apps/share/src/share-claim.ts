import type { ShareKey, ShareRecord } from '#libs/database';
import { type Claim, type KeyRing, verifyClaim } from '#libs/domain';
import { ProblemError } from '#libs/runtime';

/**
 * The claim of a share token. It is verified here although the gateway did so: this service trusts no path, only signatures.
 * @throws ProblemError `share_invalid`.
 */
export function shareClaimOf(ring: KeyRing, token: string): Claim {
  const claim = verifyClaim(ring, 'share', token);
  if (claim === undefined) throw new ProblemError('share_invalid');
  return claim;
}

/** Which share a claim names. */
export function shareKeyOf({ packetId, epoch, userId }: Claim): ShareKey {
  return { packetId, epoch, ownerId: userId };
}

/** True when the packet was granted by the ticket that the share was made of: not to somebody else, nor to its owner in another epoch. */
export function isShareOf({ grant }: ShareRecord, { epoch, userId }: Claim): boolean {
  return grant.userId === userId && grant.epoch === epoch;
}
