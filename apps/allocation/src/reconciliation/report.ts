import { isoOf, type PoolReconciliation, type Reconciliation } from '#libs/contracts';
import type { EventRecord, PoolRecord } from '#libs/database';
import { type Fen, poolFundsFen } from '#libs/domain';

/** Violations named in a report; the rest is counted. */
const violationsShownMax = 200;

/** A pool's side of the equation (invariant 8): plan, and sums over transfers. What is unclaimed is derived. */
export interface PoolSums {
  readonly poolId: number;
  readonly budgetFen: Fen;
  readonly shareBudgetFen: Fen;
  /** 0 before the event is armed, then `budgetFen + shareBudgetFen`. */
  readonly fundedFen: Fen;
  readonly grantedFen: Fen;
  readonly grabbedFen: Fen;
  readonly refundedFen: Fen;
  readonly grantedPackets: number;
  readonly grabbedPortions: number;
  readonly stockedPackets: number;
}

/** What was found of one pool. */
export interface PoolFinding {
  readonly sums: PoolSums;
  /** Recomputed from the derived amounts of what is neither granted nor grabbed; undefined when nothing was ever funded. */
  readonly derivedUnclaimedFen: Fen | undefined;
}

export interface EventFindings {
  readonly event: Pick<EventRecord, 'state' | 'pools' | 'sponsors'>;
  readonly pools: readonly PoolFinding[];
  readonly violations: readonly string[];
  readonly issuedPackets: number;
  readonly asOfMs: number;
}

interface PoolResult {
  readonly view: PoolReconciliation;
  readonly violations: readonly string[];
}

/** The money proof of an event: balanced only if every equation and every rule holds. */
export function reportOf({ event, pools, violations, issuedPackets, asOfMs }: EventFindings): Reconciliation {
  const results = pools.map((finding) => poolResultOf(event, finding));
  const all = [...violations, ...results.flatMap((result) => result.violations)];
  const views = results.map(({ view }) => view);
  const total = (field: 'budgetFen' | 'grantedFen' | 'grabbedFen' | 'refundedFen' | 'unclaimedFen') =>
    views.reduce((sum, view) => sum + view[field], 0);
  const packets = (field: 'stockedPackets' | 'grantedPackets') =>
    pools.reduce((sum, pool) => sum + pool.sums[field], 0);
  return {
    balanced: all.length === 0 && views.every(({ balanced }) => balanced),
    budgetFen: total('budgetFen'),
    grantedFen: total('grantedFen'),
    grabbedFen: total('grabbedFen'),
    refundedFen: total('refundedFen'),
    unclaimedFen: total('unclaimedFen'),
    packets: {
      planned: event.pools.reduce((sum, pool) => sum + pool.packetCount, 0),
      stocked: packets('stockedPackets'),
      issued: issuedPackets,
      granted: packets('grantedPackets'),
    },
    pools: views,
    violations: shownOf(all),
    asOf: isoOf(asOfMs),
  };
}

function poolResultOf(event: EventFindings['event'], { sums, derivedUnclaimedFen }: PoolFinding): PoolResult {
  const { poolId, fundedFen, grantedFen, grabbedFen, refundedFen } = sums;
  const unclaimedFen = derivedUnclaimedFen === undefined ? 0 : derivedUnclaimedFen - refundedFen;
  const accountedFen = grantedFen + grabbedFen + refundedFen + unclaimedFen;
  const violations: string[] = [];
  const planFen = poolFundsFen(sums);
  if (event.state !== 'draft' && fundedFen !== planFen) {
    violations.push(`pool ${poolId}: funded with ${fundedFen} fen, its plan says ${planFen}`);
  }
  if (fundedFen !== accountedFen) {
    const sum = `granted ${grantedFen} + grabbed ${grabbedFen} + refunded ${refundedFen} + unclaimed ${unclaimedFen}`;
    violations.push(`pool ${poolId}: budget ${fundedFen} fen is not ${sum}`);
  }
  if (unclaimedFen < 0) violations.push(`pool ${poolId}: ${-unclaimedFen} fen were refunded that somebody claimed`);
  if (event.state === 'settled' && unclaimedFen > 0) {
    violations.push(`pool ${poolId}: settled, but ${unclaimedFen} fen that nobody claimed were not refunded`);
  }
  const view = { ...viewOf(event, poolId), budgetFen: fundedFen, grantedFen, grabbedFen, refundedFen };
  // the contract has no negative amounts; the violation says what it was
  return { view: { ...view, unclaimedFen: Math.max(unclaimedFen, 0), balanced: violations.length === 0 }, violations };
}

function viewOf(
  event: EventFindings['event'],
  poolId: number,
): Pick<PoolReconciliation, 'poolId' | 'sponsorId' | 'waveNo'> {
  const pool = event.pools.find((candidate: PoolRecord) => candidate.poolId === poolId)!;
  const sponsor = event.sponsors.find(({ no }) => no === pool.sponsorNo)!;
  return { poolId, sponsorId: sponsor.id, waveNo: pool.waveNo };
}

function shownOf(violations: readonly string[]): string[] {
  if (violations.length <= violationsShownMax) return [...violations];
  const more = violations.length - violationsShownMax;
  return [...violations.slice(0, violationsShownMax), `… and ${more} more`];
}
