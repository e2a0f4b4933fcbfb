import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { blockLifeMsOf, blockSizeOf, fullMask } from '#libs/domain';

export interface EventShape {
  readonly id: number;
  /** Over all pools; 0: nothing is stocked and every shake is a miss. */
  readonly packetsPerSecond: number;
  readonly shakeIntervalMs: number;
  /** Also the number of sponsors, each with one pool: nobody wins twice from one. */
  readonly perUserMax: number;
  readonly ticketTtlMs: number;
  readonly nowMs: number;
}

const hourMs = 3_600_000;
/** The wave has begun long ago, so that nothing is at its beginning. */
const begunForMs = 60_000;
const stockLeadMs = 2000;
const poolsPerEvent = 100;
/** A pool that is never stocked has a few packets all the same. */
const packetsMin = 32;

/** An event of one even wave as allocation would put it on the board. */
export function benchEvent(shape: EventShape): EventSnapshot {
  const { id, packetsPerSecond, perUserMax, ticketTtlMs, shakeIntervalMs, nowMs } = shape;
  const startsAtMs = nowMs - begunForMs;
  const numbers = Array.from({ length: perUserMax }, (_, no) => no);
  const releaseCurve = 'even';
  const packetCount = Math.max(packetsMin, Math.round((packetsPerSecond * hourMs) / 1000 / perUserMax));
  const blockSize = blockSizeOf(packetCount, hourMs);
  return {
    id,
    title: `benchmark ${id}`,
    state: 'live',
    startsAtMs,
    endsAtMs: startsAtMs + hourMs,
    sharesEndAtMs: startsAtMs + 2 * hourMs,
    perUserMax,
    ticketTtlMs,
    staggerMs: 0,
    shakeIntervalMs,
    stockLeadMs,
    graceMs: 2000,
    openLaneCount: 4,
    grabLaneCount: 2,
    sponsors: numbers.map((no) => ({ no, id: `sponsor-${no}`, name: `Sponsor ${no}` })),
    waves: [{ no: 0, startsAtMs, durationMs: hourMs }],
    pools: numbers.map((no) => ({
      poolId: id * poolsPerEvent + no + 1,
      waveNo: 0,
      sponsorNo: no,
      packetCount,
      blockSize,
      blockLifeMs: blockLifeMsOf({ packetCount, blockSize, releaseCurve }, hourMs),
      sharePortions: 3,
      releaseCurve,
    })),
    secretCommitment: '0'.repeat(64),
  };
}

type Pool = EventSnapshot['pools'][number];

/** Blocks to be on the lists by `elapsedMs` after stocking began: the curve, and the lead ahead of it. */
export function blocksDue(event: EventSnapshot, pool: Pool, elapsedMs: number): number {
  const { durationMs } = event.waves[0]!;
  return Math.ceil((pool.packetCount * (elapsedMs + event.stockLeadMs)) / durationMs / pool.blockSize);
}

/** A whole block of a pool. */
export function benchBlock({ poolId, blockSize, blockLifeMs }: Pool, blockNo: number, nowMs: number): StockedBlock {
  const mask = Buffer.from(fullMask(blockSize)).toString('base64url');
  return { poolId, blockNo, epoch: 1, issueUntilMs: nowMs + blockLifeMs, mask, count: blockSize };
}
