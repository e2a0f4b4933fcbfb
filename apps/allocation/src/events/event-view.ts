import { type EventPlan, isoOf, type OpsEvent } from '#libs/contracts';
import type { EventRecord, PoolRecord } from '#libs/database';

const sponsorIdOf = (event: EventRecord, pool: PoolRecord): string =>
  event.sponsors.find(({ no }) => no === pool.sponsorNo)!.id;

/** An event as the operations REST shows it. */
export function opsEventOf(event: EventRecord): OpsEvent {
  return {
    id: String(event.id),
    state: event.state,
    plan: planOf(event),
    pools: event.pools.map((pool) => ({
      poolId: pool.poolId,
      waveNo: pool.waveNo,
      sponsorId: sponsorIdOf(event, pool),
      blockSize: pool.blockSize,
      blockCount: pool.blockCount,
      blockLifeMs: pool.blockLifeMs,
      nextBlock: pool.nextBlock,
    })),
    ...(event.secretCommitment === undefined ? {} : { secretCommitment: event.secretCommitment }),
    ...(event.revealedSecret === undefined ? {} : { secret: event.revealedSecret }),
    ...(event.armedAtMs === undefined ? {} : { armedAt: isoOf(event.armedAtMs) }),
    ...(event.closedAtMs === undefined ? {} : { closedAt: isoOf(event.closedAtMs) }),
    ...(event.settledAtMs === undefined ? {} : { settledAt: isoOf(event.settledAtMs) }),
  };
}

function planOf(event: EventRecord): OpsEvent['plan'] {
  return {
    title: event.title,
    startsAt: isoOf(event.startsAtMs),
    endsAt: isoOf(event.endsAtMs),
    sharesEndAt: isoOf(event.sharesEndAtMs),
    perUserMax: event.perUserMax,
    ticketTtlMs: event.ticketTtlMs,
    staggerMs: event.staggerMs,
    shakeIntervalMs: event.shakeIntervalMs,
    ...(event.blockLifeMs === undefined ? {} : { blockLifeMs: event.blockLifeMs }),
    reissue: event.reissue,
    sponsors: event.sponsors.map(({ id, name }) => ({ id, name })),
    waves: event.waves.map(({ no, startsAtMs, durationMs }) => ({
      no,
      startsAt: isoOf(startsAtMs),
      durationMs,
      pools: event.pools.filter((pool) => pool.waveNo === no).map((pool) => poolPlanOf(event, pool)),
    })),
  };
}

function poolPlanOf(event: EventRecord, pool: PoolRecord): EventPlan['waves'][number]['pools'][number] {
  return {
    sponsorId: sponsorIdOf(event, pool),
    packetCount: pool.packetCount,
    budgetFen: pool.budgetFen,
    minFen: pool.minFen,
    maxFen: pool.maxFen,
    sharePortions: pool.sharePortions,
    shareBudgetFen: pool.shareBudgetFen,
    // the contract's points are mutable arrays, the domain's are not
    releaseCurve: pool.releaseCurve as EventPlan['waves'][number]['pools'][number]['releaseCurve'],
  };
}
