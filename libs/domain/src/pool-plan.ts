import { blockSizeMax } from './block-mask.ts';
import { assertIntegerIn, isIntegerIn } from './integers.ts';
import { type Fen, fenMax, mulDivFloor } from './money.ts';
import type { PacketRef } from './packet-id.ts';
import { type ReleaseCurve, slowestRise } from './release-curve.ts';

/** Most packets of one pool: eight times the biggest wave on record; in blocks of one packet still half of what a block number holds. */
export const packetCountMax = 1_000_000_000;

/** Largest amount of one packet, and of all portions of one share, 20 million yuan: it is an int in PostgreSQL. */
export const packetFenMax: Fen = 2_000_000_000;

/** Most portions of a share: it bounds the grabs that one packet can cause. */
export const sharePortionsMax = 100;

/** A small pool has at least this many blocks, so that several gateways get some and the last ones hold little back. */
export const blocksPerPoolMin = 32;

/**
 * Packets whose amounts are drawn together. Runs do not follow the size of blocks: a block of one packet would always hold the mean,
 * and everybody could tell the amounts of a slow pool beforehand.
 */
export const runPacketsMax = 256;

/** What decides a pool's amounts: the published, committed part of a pool. Amounts in fen. */
export interface PoolPlan {
  readonly poolId: number;
  readonly packetCount: number;
  /** Packets per block, a power of two in [1, 256]; it says which packet of the pool an id means. */
  readonly blockSize: number;
  /** Sum of all packets' amounts. */
  readonly budgetFen: Fen;
  /** Smallest and largest amount of one packet. */
  readonly minFen: Fen;
  readonly maxFen: Fen;
  /** Portions of every packet's share; 0 when packets cannot be shared. */
  readonly sharePortions: number;
  /** Sum of all portions of all packets, on top of `budgetFen`; 0 when packets cannot be shared. */
  readonly shareBudgetFen: Fen;
}

type PacketShape = Pick<PoolPlan, 'packetCount' | 'blockSize'>;

/**
 * Packets per block of a pool in a wave of `durationMs`: the largest power of two that leaves the pool `blocksPerPoolMin` blocks and
 * is not above the packets that it releases in a second on average, within [1, 256]. So a slow pool has about a block a second, which
 * goes round among several gateways, and none sits on what the others could give; a fast one has few blocks to handle.
 */
export function blockSizeOf(packetCount: number, durationMs: number): number {
  assertIntegerIn('packetCount', packetCount, 1, packetCountMax);
  assertIntegerIn('durationMs', durationMs, 1, Number.MAX_SAFE_INTEGER / blockSizeMax);
  let size = 1;
  const fits = (packets: number) =>
    packets * blocksPerPoolMin <= packetCount && packets * durationMs <= packetCount * 1000;
  while (size < blockSizeMax && fits(size * 2)) size *= 2;
  return size;
}

/** Blocks of a pool; the last one may be short. */
export function blockCountOf({ packetCount, blockSize }: PacketShape): number {
  return Math.ceil(packetCount / blockSize);
}

/** For this many blocks to be used up, at the pool's slowest pace, a block is long enough in hand. */
const blocksPerLife = 16;
/** A block must travel to a gateway and be used up there; a minute is long to have packets in the hands of a dead gateway. */
export const blockLifeMsMin = 10_000;
export const blockLifeMsMax = 60_000;

/**
 * For how long a block of the pool may be issued once it is stocked, unless its event says otherwise: the time in which
 * the pool releases 16 blocks where its curve rises slowest, within [10 s, 60 s].
 */
export function blockLifeMsOf(pool: PacketShape & { readonly releaseCurve: ReleaseCurve }, durationMs: number): number {
  const packetsPerMs = (slowestRise(pool.releaseCurve) * pool.packetCount) / durationMs;
  const lifeMs = Math.ceil((blocksPerLife * pool.blockSize) / packetsPerMs);
  return Math.min(Math.max(lifeMs, blockLifeMsMin), blockLifeMsMax);
}

/** Packets in a block of the pool: the block size, fewer in the last one. Throws a RangeError for a block it does not have. */
export function packetsInBlock(plan: PacketShape, blockNo: number): number {
  assertIntegerIn('blockNo', blockNo, 0, blockCountOf(plan) - 1);
  return Math.min(plan.blockSize, plan.packetCount - blockNo * plan.blockSize);
}

/** True when the pool has this packet. */
export function hasPacket(plan: PacketShape & Pick<PoolPlan, 'poolId'>, ref: PacketRef): boolean {
  if (ref.poolId !== plan.poolId || !isIntegerIn(ref.blockNo, 0, blockCountOf(plan) - 1)) return false;
  return isIntegerIn(ref.index, 0, packetsInBlock(plan, ref.blockNo) - 1);
}

/** Where a packet's amount stands: position `position` of run `runNo`. A block lies in one run. */
export interface RunPosition {
  readonly runNo: number;
  readonly position: number;
}

/** The run and the position of a packet that the pool has; else it throws a RangeError. */
export function runPositionOf(plan: PacketShape & Pick<PoolPlan, 'poolId'>, ref: PacketRef): RunPosition {
  const packetNo = packetNoOf(plan, ref);
  return { runNo: Math.floor(packetNo / runPacketsMax), position: packetNo % runPacketsMax };
}

/** Packets in a run of the pool: 256, fewer in the last one. Throws a RangeError for a run it does not have. */
export function packetsInRun({ packetCount }: Pick<PoolPlan, 'packetCount'>, runNo: number): number {
  assertIntegerIn('runNo', runNo, 0, Math.ceil(packetCount / runPacketsMax) - 1);
  return Math.min(runPacketsMax, packetCount - runNo * runPacketsMax);
}

/**
 * The part of the pool's budget B that its run of packets [s, e) of N gets: floor(B·e/N) − floor(B·s/N). The parts sum to B
 * exactly, and a run of n packets gets at least n × minFen and at most n × maxFen when the pool does.
 */
export function runBudgetFen(plan: Pick<PoolPlan, 'packetCount' | 'budgetFen'>, runNo: number): Fen {
  const start = runNo * runPacketsMax;
  return rangeBudgetFen(plan.budgetFen, plan.packetCount, start, start + packetsInRun(plan, runNo));
}

/** The part of the pool's share budget that a packet's portions divide, by the same formula for one packet. */
export function packetShareBudgetFen(
  plan: PacketShape & Pick<PoolPlan, 'poolId' | 'shareBudgetFen'>,
  ref: PacketRef,
): Fen {
  const packetNo = packetNoOf(plan, ref);
  return rangeBudgetFen(plan.shareBudgetFen, plan.packetCount, packetNo, packetNo + 1);
}

/** A packet's number in its pool. */
function packetNoOf(plan: PacketShape & Pick<PoolPlan, 'poolId'>, ref: PacketRef): number {
  if (!hasPacket(plan, ref)) throw new RangeError(`pool ${plan.poolId} has no packet ${JSON.stringify(ref)}`);
  return ref.blockNo * plan.blockSize + ref.index;
}

/** All money that a pool needs: packets and shares. */
export function poolFundsFen(plan: Pick<PoolPlan, 'budgetFen' | 'shareBudgetFen'>): Fen {
  return plan.budgetFen + plan.shareBudgetFen;
}

function rangeBudgetFen(budgetFen: Fen, packetCount: number, start: number, end: number): Fen {
  return mulDivFloor(budgetFen, end, packetCount) - mulDivFloor(budgetFen, start, packetCount);
}

/** A pool before it has an id, and before it is cut into blocks. */
export type PoolDraft = Omit<PoolPlan, 'poolId' | 'blockSize'>;

/** Every fault of a pool's plan, each as `field: sentence`; empty when all of its amounts can be derived. */
export function findPoolFaults(pool: PoolDraft): string[] {
  const inRange = (field: PoolField): boolean => isIntegerIn(pool[field], ...fieldBounds[field]);
  const faults = poolFields
    .filter((field) => !inRange(field))
    .map((field) => outside(field, ...fieldBounds[field], pool[field]));
  // a relation is looked at only when its fields are in range: else it says nothing, and may not even be about numbers
  if (budgetFields.every(inRange)) faults.push(...findBudgetFaults(pool));
  if (shareFields.every(inRange)) faults.push(...findShareFaults(pool));
  return faults;
}

type PoolField = keyof PoolDraft;

const fieldBounds: Readonly<Record<PoolField, readonly [min: number, max: number]>> = {
  packetCount: [1, packetCountMax],
  budgetFen: [1, fenMax],
  minFen: [1, packetFenMax],
  maxFen: [1, packetFenMax],
  sharePortions: [0, sharePortionsMax],
  shareBudgetFen: [0, fenMax],
};
const poolFields = Object.keys(fieldBounds) as readonly PoolField[];
const budgetFields: readonly PoolField[] = ['packetCount', 'budgetFen', 'minFen', 'maxFen'];
const shareFields: readonly PoolField[] = ['packetCount', 'sharePortions', 'shareBudgetFen'];

function findBudgetFaults({ packetCount, budgetFen, minFen, maxFen }: PoolDraft): string[] {
  if (minFen > maxFen) return [`minFen: ${minFen} is above maxFen ${maxFen}`];
  // a product may pass 2^53, but it is compared with a budget of at most 9e15 and rounding keeps that order
  const [leastFen, mostFen] = [packetCount * minFen, packetCount * maxFen];
  if (budgetFen < leastFen) return [`budgetFen: ${budgetFen} is below packetCount × minFen = ${leastFen}`];
  if (budgetFen > mostFen) return [`budgetFen: ${budgetFen} is above packetCount × maxFen = ${mostFen}`];
  return [];
}

function findShareFaults({ packetCount, sharePortions, shareBudgetFen }: PoolDraft): string[] {
  if (sharePortions === 0) {
    return shareBudgetFen === 0 ? [] : [`shareBudgetFen: ${shareBudgetFen} must be 0 without sharePortions`];
  }
  const leastFen = packetCount * sharePortions;
  if (shareBudgetFen < leastFen) {
    return [
      `shareBudgetFen: ${shareBudgetFen} is below packetCount × sharePortions = ${leastFen}: every portion gets 1 fen`,
    ];
  }
  const mostFen = packetCount * packetFenMax;
  return shareBudgetFen > mostFen ? [`shareBudgetFen: ${shareBudgetFen} is above packetCount × ${packetFenMax}`] : [];
}

function outside(field: string, min: number, max: number, value: unknown): string {
  return `${field}: must be an integer in [${min}, ${max}], is ${value}`;
}
