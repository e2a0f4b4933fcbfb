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
