import type { EventSnapshot } from '#libs/contracts';
import type { EventRecord } from '#libs/database';

type SnapshotPool = EventSnapshot['pools'][number];

/**
 * What gateways know of an event that is stocked `stockLeadMs` ahead: no amounts, no budgets, and no secret before it is settled;
 * undefined for a draft, which nobody may hear of.
 */
export function snapshotOf(event: EventRecord, stockLeadMs: number): EventSnapshot | undefined {
  const { state, openLaneCount, grabLaneCount, secretCommitment } = event;
  if (state === 'draft' || openLaneCount === undefined || grabLaneCount === undefined) return undefined;
  return {
    id: event.id,
    title: event.title,
    state,
    startsAtMs: event.startsAtMs,
    endsAtMs: event.endsAtMs,
    sharesEndAtMs: event.sharesEndAtMs,
    perUserMax: event.perUserMax,
    ticketTtlMs: event.ticketTtlMs,
    staggerMs: event.staggerMs,
    shakeIntervalMs: event.shakeIntervalMs,
    stockLeadMs,
    graceMs: event.graceMs,
    openLaneCount,
    grabLaneCount,
    sponsors: event.sponsors.map(({ no, id, name }) => ({ no, id, name })),
    waves: event.waves.map(({ no, startsAtMs, durationMs }) => ({ no, startsAtMs, durationMs })),
    pools: event.pools.map((pool) => ({
      poolId: pool.poolId,
      waveNo: pool.waveNo,
      sponsorNo: pool.sponsorNo,
      packetCount: pool.packetCount,
      blockSize: pool.blockSize,
      blockLifeMs: pool.blockLifeMs,
      sharePortions: pool.sharePortions,
      releaseCurve: pool.releaseCurve as SnapshotPool['releaseCurve'],
    })),
    secretCommitment: secretCommitment!,
    ...(event.revealedSecret === undefined ? {} : { secret: event.revealedSecret }),
  };
}
