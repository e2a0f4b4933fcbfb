import type { ShakeAnswer } from '#libs/contracts';

export type ShakeResult = ShakeAnswer['result'];
export const shakeResults: readonly ShakeResult[] = ['hit', 'miss', 'rest', 'limit', 'not_started', 'over'];

/** Counts of this process since its start: plain numbers, read each second and at each scrape. */
export class ShakeCounters {
  readonly results: Record<ShakeResult, number> = { hit: 0, miss: 0, rest: 0, limit: 0, not_started: 0, over: 0 };
  /** Shakes that got no answer of the contract: bad session, unknown event, too large. */
  refused = 0;
  /** Connections closed on clients that kept coming early. */
  closedEarly = 0;
  private issued = new Map<number, number>();

  /** All shakes that came, whatever they were told. */
  total(): number {
    const { hit, miss, rest, limit, not_started, over } = this.results;
    return hit + miss + rest + limit + not_started + over + this.refused;
  }

  countIssued(poolId: number): void {
    this.issued.set(poolId, (this.issued.get(poolId) ?? 0) + 1);
  }

  /** Indexes issued per pool since the last call. */
  takeIssued(): Map<number, number> {
    const issued = this.issued;
    this.issued = new Map();
    return issued;
  }
}
