import { Counter, Rate, Trend } from 'k6/metrics';

/** Outcomes are what is judged: a refusal is no success because it came with a status below 500, and no failure either. */
export const shakes = new Counter('hongbao_shakes');
export const opens = new Counter('hongbao_opens');
export const shares = new Counter('hongbao_shares');
export const grabs = new Counter('hongbao_grabs');
/** Answers of a kind that the contract does not have at that place. */
export const unexpected = new Counter('hongbao_unexpected');
/** Requests that were shed or lost and sent again. */
export const repeated = new Counter('hongbao_repeated');
/**
 * Fen acknowledged to phones, minus fen in the ledger (subtracted once, in teardown): zero when every acknowledged amount is
 * booked and nothing else is.
 */
export const openedMinusGranted = new Counter('hongbao_opened_minus_granted_fen');
export const grabbedMinusBooked = new Counter('hongbao_grabbed_minus_booked_fen');
/** Reconciliations that balanced: one before settlement, one after. */
export const proofs = new Counter('hongbao_proofs');

/** Observations of a feature that were what the catalogue promises at the tier of that phase. */
export const asPromised = new Rate('hongbao_as_promised');
export const nextShakeMs = new Trend('hongbao_next_shake_ms', true);

export const shakeMs = new Trend('hongbao_shake_ms', true);
export const openedMs = new Trend('hongbao_open_to_credited_ms', true);
export const grabbedMs = new Trend('hongbao_grab_to_credited_ms', true);

/** What every scenario must hold, whatever it is about. */
export const commonThresholds: Record<string, string[]> = {
  hongbao_unexpected: ['count==0'],
  'hongbao_opens{outcome:unsettled}': ['count==0'],
  'hongbao_opens{outcome:credited}': ['count>0'],
  'hongbao_grabs{outcome:unsettled}': ['count==0'],
  hongbao_opened_minus_granted_fen: ['count==0'],
  hongbao_grabbed_minus_booked_fen: ['count==0'],
  'hongbao_proofs{balanced:yes}': ['count==2'],
};
