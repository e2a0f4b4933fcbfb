import type { GrabOutcome } from '#libs/contracts';
import type { Claim } from '#libs/domain';

/** The final outcomes of grabs: asking again gives the same, without the lane. */
export type FinalOutcome = Exclude<GrabOutcome, { outcome: 'no_grant_yet' | 'dead' }>;

export function isFinal(outcome: GrabOutcome): outcome is FinalOutcome {
  return outcome.outcome !== 'no_grant_yet' && outcome.outcome !== 'dead';
}

/** Outcomes kept by share and user, the oldest leave first: a cache, the ledger is the truth. */
export class RecentOutcomes {
  private readonly outcomes = new Map<string, FinalOutcome>();

  constructor(private readonly entriesMax: number) {}

  get(claim: Claim, userId: string): FinalOutcome | undefined {
    return this.outcomes.get(keyOf(claim, userId));
  }

  set(claim: Claim, userId: string, outcome: FinalOutcome): void {
    const key = keyOf(claim, userId);
    this.outcomes.delete(key);
    this.outcomes.set(key, outcome);
    if (this.outcomes.size <= this.entriesMax) return;
    const oldest = this.outcomes.keys().next();
    if (!oldest.done) this.outcomes.delete(oldest.value);
  }
}

/**
 * Owner and epoch are part of it: a packet that comes back goes to another winner, or to the same one again, and each of these
 * shares has outcomes of its own.
 */
export function keyOf({ packetId, epoch, userId: ownerId }: Claim, userId: string): string {
  return `${packetId}/${epoch}/${ownerId}/${userId}`;
}
