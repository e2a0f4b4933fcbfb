import { isoOf, type SharePage } from '#libs/contracts';
import { type GrabRecord, listGrabs, type Pool, readShare, type ShareRecord } from '#libs/database';
import type { DegradationHolder } from '#libs/degradation';
import { type Claim, packetRefOf, sharePortionsMax } from '#libs/domain';
import { ProblemError } from '#libs/runtime';
import { throwLedgerProblem } from './away.ts';
import type { EventDirectory } from './event-directory.ts';
import { ReadCache } from './read-cache.ts';
import type { RecentOutcomes } from './recent-outcomes.ts';
import { isShareOf } from './share-claim.ts';

/** What the ledger says of one share. Without `share` its packet is not granted (yet) and nothing is grabbed. */
export interface ShareState {
  readonly share: ShareRecord | undefined;
  readonly grabs: readonly GrabRecord[];
}

const pagesMax = 20_000;
const pageAgeMaxMs = 1000;
/** Tier 2 (thin): pages come from older copies. */
const thinPageAgeMaxMs = 30_000;
/** A share of which every portion is taken does not change any more. */
const completePageAgeMaxMs = 600_000;
/** A copy this old is better than none while PostgreSQL is away. */
const stalePageAgeMaxMs = 600_000;
/** Reads that may wait for each connection of the pool. */
const readsPerConnection = 4;

/** True when no portion is left: the state is final. */
export function isComplete({ share, grabs }: ShareState): boolean {
  return share !== undefined && grabs.length >= share.grant.sharePortions;
}

export interface SharePagesParts {
  readonly pool: Pool;
  readonly poolMax: number;
  readonly events: EventDirectory;
  readonly features: DegradationHolder;
  readonly outcomes: RecentOutcomes;
  /** Store milliseconds. */
  readonly nowMs: () => number;
  /** Monotonic milliseconds: how old copies are. */
  readonly monotonicMs: () => number;
}

/** Share pages, from short copies of the ledger. */
export class SharePages {
  private readonly states: ReadCache<ShareState>;

  constructor(private readonly parts: SharePagesParts) {
    this.states = new ReadCache({
      entriesMax: pagesMax,
      loadsInFlightMax: parts.poolMax * readsPerConnection,
      staleMaxMs: stalePageAgeMaxMs,
      load: (packetId) => loadState(parts.pool, BigInt(packetId)).catch(throwLedgerProblem),
      monotonicMs: parts.monotonicMs,
    });
  }

  /**
   * The page of a share; `yours` for a user who grabbed.
   * @throws ProblemError `feature_off`, `share_expired`, `overloaded`, `dependency_unavailable`.
   */
  async page(claim: Claim, userId: string | undefined): Promise<SharePage> {
    const { features, nowMs } = this.parts;
    if (!features.isOn('share_pages')) throw new ProblemError('feature_off');
    if (nowMs() >= claim.atMs) throw new ProblemError('share_expired');
    const state = await this.states.get(String(claim.packetId), (copy) => this.ageMaxMs(copy));
    if (state.share !== undefined && !isShareOf(state.share, claim)) throw new ProblemError('share_expired');
    return this.view(claim, state, userId);
  }

  /** The final state of a share when it is known without asking anybody. */
  completeStateOf(packetId: bigint): ShareState | undefined {
    const state = this.states.peek(String(packetId));
    return state !== undefined && isComplete(state) ? state : undefined;
  }

  /** A portion was taken: the copy is old. */
  outdate(packetId: bigint): void {
    this.states.outdate(String(packetId));
  }

  private ageMaxMs(state: ShareState): number {
    if (isComplete(state)) return completePageAgeMaxMs;
    return this.parts.features.modeOf('share_pages') === 'cached' ? thinPageAgeMaxMs : pageAgeMaxMs;
  }

  private view(claim: Claim, state: ShareState, userId: string | undefined): SharePage {
    const yours = userId === undefined ? undefined : this.yoursOf(claim, state, userId);
    const portions = this.portionsOf(claim, state);
    return {
      sponsor: this.sponsorOf(claim, state),
      portions,
      taken: state.grabs.length,
      expiresAt: isoOf(claim.atMs),
      ...(this.parts.features.isOn('share_grab_list') ? { grabs: grabViews(state) } : {}),
      ...(yours === undefined ? {} : { yours }),
    };
  }

  /** What this process has just been told by the lane counts before a copy that may be older. */
  private yoursOf(claim: Claim, state: ShareState, userId: string): SharePage['yours'] {
    const recent = this.parts.outcomes.get(claim, userId);
    if (recent?.outcome === 'credited') return { amountFen: recent.amountFen, portion: recent.portion };
    const own = state.grabs.find((grab) => grab.userId === userId);
    return own && { amountFen: own.amountFen, portion: own.portion };
  }

  private sponsorOf(claim: Claim, { share }: ShareState): SharePage['sponsor'] {
    if (share !== undefined) return { id: share.grant.sponsorId, name: share.grant.sponsorName };
    const sponsor = this.eventOf(claim).sponsors.find(({ no }) => no === claim.sponsorNo);
    if (sponsor === undefined) throw new ProblemError('share_invalid', 'the event has no such sponsor');
    return { id: sponsor.id, name: sponsor.name };
  }

  private portionsOf(claim: Claim, { share }: ShareState): number {
    if (share !== undefined) return share.grant.sharePortions;
    const { poolId } = packetRefOf(claim.packetId);
    const pool = this.eventOf(claim).pools.find((candidate) => candidate.poolId === poolId);
    if (pool === undefined) throw new ProblemError('share_invalid', 'the event has no such pool');
    return pool.sharePortions;
  }

  /** The event of a signed claim exists: when it is not known here, it is not known yet. */
  private eventOf(claim: Claim) {
    const event = this.parts.events.find(claim.eventId);
    if (event === undefined) throw new ProblemError('dependency_unavailable', 'the event is not known yet');
    return event;
  }
}

/** Grabs by portion; the luckiest is known only when every portion is taken, the first of equal ones. */
function grabViews(state: ShareState): NonNullable<SharePage['grabs']> {
  const mostFen = isComplete(state) ? Math.max(...state.grabs.map((grab) => grab.amountFen)) : undefined;
  const luckiest = state.grabs.find((grab) => grab.amountFen === mostFen);
  return state.grabs.map((grab) => ({
    userId: grab.userId,
    amountFen: grab.amountFen,
    at: isoOf(grab.grabbedAtMs),
    luckiest: grab === luckiest,
  }));
}

async function loadState(pool: Pool, packetId: bigint): Promise<ShareState> {
  const share = await readShare(pool, packetId);
  if (share === undefined || share.taken === 0) return { share, grabs: [] };
  return { share, grabs: await listGrabs(pool, { packetId, limit: sharePortionsMax }) };
}
