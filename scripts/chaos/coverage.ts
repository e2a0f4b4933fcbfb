import { laneOfBlock, packetRefOf } from '#libs/domain';
import type { OpenEntry } from './chaos-log.ts';
import { distinct, grantsByPacket, groupBy, isGrab, isHit, isOpen } from './checker/evidence.ts';
import type { RoundResult } from './round.ts';
import type { FaultOf } from './round-plan.ts';
import { type SharpCase, sharpCases } from './sharp-cases.ts';

/** What a look at a round needs. */
export type Seen = Pick<RoundResult, 'plan' | 'startMs' | 'counts' | 'entries' | 'ledger'>;

/** Opens of one user this close together were under way at once. */
const atOnceMs = 60;
/** The services' default (`OPEN_LANES`). */
const openLaneCount = 4;

/** Of each sharp case: the situation that it is about, and how often a round had it. A case that never came about proves nothing. */
const situations: Readonly<Record<SharpCase, { readonly what: string; readonly count: (seen: Seen) => number }>> = {
  'consumer-killed': {
    what: 'jobs active when a consumer was killed',
    count: ({ counts }) => counts.get('jobs active at a kill') ?? 0,
  },
  'two-consumers': {
    what: 'jobs active in a consumer that was stopped past its lock',
    count: ({ counts }) => counts.get('jobs active at a stop') ?? 0,
  },
  'gateway-stopped-accept': { what: 'opens in a gateway while it was stopped', count: countOpensInStoppedGateway },
  'gateway-stopped-issue': {
    what: 'packets issued again in a later epoch',
    count: ({ entries }) =>
      distinct(
        entries
          .filter(isHit)
          .filter(({ epoch }) => epoch > 1)
          .map(packetOf),
      ).length,
  },
  'stale-replica': {
    what: 'opens accepted after the copy and forgotten by it, in rounds whose copy had blocks on its lists',
    count: (seen) => ((seen.counts.get('blocks listed at a copy') ?? 0) > 0 ? countOpensForgotten(seen) : 0),
  },
  'database-away': { what: 'opens answered pending', count: ({ counts }) => counts.get('open pending') ?? 0 },
  'settle-backlog': {
    what: 'settlements refused because it was too early',
    count: ({ counts }) => counts.get('settle too early') ?? 0,
  },
  'many-lanes': { what: 'opens of one user at once in different lanes', count: countOpensInLanes },
  'reclaimed-share': { what: 'grabs from a share whose packet went to somebody else', count: countLapsedGrabs },
};

export function situationsIn(name: SharpCase, seen: Seen): number {
  return situations[name].count(seen);
}

/** Adds up over the rounds of a run. */
export class Coverage {
  private readonly sums = new Map<SharpCase, { rounds: number; inRounds: number; count: number }>();

  /** What came about in this round, in words; undefined for a random one. */
  add(seen: Seen): string | undefined {
    const name = sharpCases.find((one) => one === seen.plan.name);
    if (name === undefined) return undefined;
    const sum = this.sums.get(name) ?? { rounds: 0, inRounds: 0, count: 0 };
    const count = situationsIn(name, seen);
    this.sums.set(name, {
      rounds: sum.rounds + 1,
      inRounds: sum.inRounds + Math.sign(count),
      count: sum.count + count,
    });
    return `${count} ${situations[name].what}`;
  }

  lines(): string[] {
    return [...this.sums].map(
      ([name, { rounds, inRounds, count }]) =>
        `${name}: ${rounds} rounds, ${count} ${situations[name].what}, in ${inRounds} of them`,
    );
  }

  /** Cases that ran and never came about. */
  missed(): SharpCase[] {
    return [...this.sums].filter(([, { count }]) => count === 0).map(([name]) => name);
  }
}

const packetOf = ({ packetId }: { readonly packetId: string }): string => packetId;

function countOpensInStoppedGateway({ plan, startMs, entries }: Seen): number {
  const stops = plan.faults.filter((fault): fault is FaultOf<'stop'> => fault.kind === 'stop');
  const isCaught = ({ what, gateway, sentAtMs, atMs }: OpenEntry): boolean =>
    what === 'open' &&
    stops.some(({ target, atMs: stopMs }) => {
      return target === `gateway-${gateway}` && sentAtMs < startMs + stopMs && atMs > startMs + stopMs;
    });
  return entries.filter(isOpen).filter(isCaught).length;
}

function countOpensForgotten({ plan, startMs, entries }: Seen): number {
  const rewinds = plan.faults.filter((fault): fault is FaultOf<'rewind'> => fault.kind === 'rewind');
  const isForgotten = ({ said, atMs }: OpenEntry): boolean =>
    (said.kind === 'credited' || said.kind === 'pending') &&
    rewinds.some((fault) => atMs > startMs + fault.atMs && atMs < startMs + fault.swapAtMs);
  return entries.filter(isOpen).filter(isForgotten).length;
}

function countOpensInLanes({ entries }: Seen): number {
  const opens = entries.filter(isOpen).filter(({ what }) => what === 'open');
  return [...groupBy(opens, ({ userId }) => userId).values()].reduce((sum, own) => {
    const inOrder = [...own].sort((a, b) => a.sentAtMs - b.sentAtMs);
    const pairs = inOrder.filter((open, index) => {
      const before = inOrder[index - 1];
      return before !== undefined && open.sentAtMs - before.sentAtMs < atOnceMs && laneOf(open) !== laneOf(before);
    });
    return sum + pairs.length;
  }, 0);
}

function laneOf({ packetId }: OpenEntry): number {
  const { poolId, blockNo } = packetRefOf(BigInt(packetId));
  return laneOfBlock(poolId, blockNo, openLaneCount);
}

function countLapsedGrabs({ entries, ledger }: Seen): number {
  const grants = grantsByPacket(ledger);
  return entries.filter(isGrab).filter(({ packetId, ownerId }) => {
    const owner = grants.get(packetId)?.userId;
    return owner !== undefined && owner !== ownerId;
  }).length;
}
