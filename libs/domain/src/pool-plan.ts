import { blockSizeMax } from './block-mask.ts';
import { assertIntegerIn, isIntegerIn } from './integers.ts';
import { type Fen, fenMax, mulDivFloor } from './money.ts';
import { type PacketRef, poolIdMax } from './packet-id.ts';

/** Most packets of one pool: eight times the biggest wave on record, and 3.9 million blocks, far below the 2^31 of a block number. */
export const packetCountMax = 1_000_000_000;

/** Largest amount of one packet, and of all portions of one share, 20 million yuan: it is an int in PostgreSQL. */
export const packetFenMax: Fen = 2_000_000_000;

/** Most portions of a share: it bounds the grabs that one packet can cause. */
export const sharePortionsMax = 100;

/** A small pool has at least this many blocks, so that several gateways get some and the last ones hold little back. */
export const blocksPerPoolMin = 32;

/** What decides a pool's amounts: the published, committed part of a pool. Amounts in fen. */
export interface PoolPlan {
  readonly poolId: number;
  readonly packetCount: number;
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

/** Packets per block: the largest power of two that leaves a pool `blocksPerPoolMin` blocks, within [1, 256]. */
export function blockSizeOf(packetCount: number): number {
  assertIntegerIn('packetCount', packetCount, 1, packetCountMax);
  let size = 1;
  while (size < blockSizeMax && size * 2 * blocksPerPoolMin <= packetCount) size *= 2;
  return size;
}

/** Blocks of a pool; the last one may be short. */
export function blockCountOf(packetCount: number): number {
  return Math.ceil(packetCount / blockSizeOf(packetCount));
}

/** Packets in a block of the pool: the block size, fewer in the last one. Throws a RangeError for a block it does not have. */
export function packetsInBlock(plan: Pick<PoolPlan, 'packetCount'>, blockNo: number): number {
  const { start, end } = blockBounds(plan.packetCount, blockNo);
  return end - start;
}

/** True when the pool has this packet. */
export function hasPacket(plan: Pick<PoolPlan, 'poolId' | 'packetCount'>, ref: PacketRef): boolean {
  if (ref.poolId !== plan.poolId || !isIntegerIn(ref.blockNo, 0, blockCountOf(plan.packetCount) - 1)) return false;
  return isIntegerIn(ref.index, 0, packetsInBlock(plan, ref.blockNo) - 1);
}

/**
 * The part of the pool's budget B that its block of packets [s, e) of N gets: floor(B·e/N) − floor(B·s/N). The parts sum to B
 * exactly, and a block of n packets gets at least n × minFen and at most n × maxFen when the pool does.
 */
export function blockBudgetFen(plan: Pick<PoolPlan, 'packetCount' | 'budgetFen'>, blockNo: number): Fen {
  const { start, end } = blockBounds(plan.packetCount, blockNo);
  return rangeBudgetFen(plan.budgetFen, plan.packetCount, start, end);
}

/** The part of the pool's share budget that a packet's portions divide, by the same formula for one packet. */
export function packetShareBudgetFen(
  plan: Pick<PoolPlan, 'poolId' | 'packetCount' | 'shareBudgetFen'>,
  ref: PacketRef,
): Fen {
  if (!hasPacket(plan, ref)) throw new RangeError(`pool ${plan.poolId} has no packet ${JSON.stringify(ref)}`);
  const packetNo = ref.blockNo * blockSizeOf(plan.packetCount) + ref.index;
  return rangeBudgetFen(plan.shareBudgetFen, plan.packetCount, packetNo, packetNo + 1);
}

/** All money that a pool needs: packets and shares. */
export function poolFundsFen(plan: Pick<PoolPlan, 'budgetFen' | 'shareBudgetFen'>): Fen {
  return plan.budgetFen + plan.shareBudgetFen;
}

function rangeBudgetFen(budgetFen: Fen, packetCount: number, start: number, end: number): Fen {
  return mulDivFloor(budgetFen, end, packetCount) - mulDivFloor(budgetFen, start, packetCount);
}

function blockBounds(packetCount: number, blockNo: number): { start: number; end: number } {
  const size = blockSizeOf(packetCount);
  assertIntegerIn('blockNo', blockNo, 0, Math.ceil(packetCount / size) - 1);
  return { start: blockNo * size, end: Math.min((blockNo + 1) * size, packetCount) };
}

/** Every fault of a pool's plan, each as `field: sentence`; empty when all of its amounts can be derived. */
export function findPlanFaults(plan: PoolPlan): string[] {
  const faults = isIntegerIn(plan.poolId, 0, poolIdMax) ? [] : [outside('poolId', 0, poolIdMax, plan.poolId)];
  return [...faults, ...findPoolFaults(plan)];
}

/** The faults of a pool that has no id yet. */
export function findPoolFaults(pool: Omit<PoolPlan, 'poolId'>): string[] {
  const inRange = (field: PoolField): boolean => isIntegerIn(pool[field], ...fieldBounds[field]);
  const faults = poolFields
    .filter((field) => !inRange(field))
    .map((field) => outside(field, ...fieldBounds[field], pool[field]));
  // a relation is looked at only when its fields are in range: else it says nothing, and may not even be about numbers
  if (budgetFields.every(inRange)) faults.push(...findBudgetFaults(pool));
  if (shareFields.every(inRange)) faults.push(...findShareFaults(pool));
  return faults;
}

type PoolField = keyof Omit<PoolPlan, 'poolId'>;

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

function findBudgetFaults({ packetCount, budgetFen, minFen, maxFen }: Omit<PoolPlan, 'poolId'>): string[] {
  if (minFen > maxFen) return [`minFen: ${minFen} is above maxFen ${maxFen}`];
  // a product may pass 2^53, but it is compared with a budget of at most 9e15 and rounding keeps that order
  const [leastFen, mostFen] = [packetCount * minFen, packetCount * maxFen];
  if (budgetFen < leastFen) return [`budgetFen: ${budgetFen} is below packetCount × minFen = ${leastFen}`];
  if (budgetFen > mostFen) return [`budgetFen: ${budgetFen} is above packetCount × maxFen = ${mostFen}`];
  return [];
}

function findShareFaults({ packetCount, sharePortions, shareBudgetFen }: Omit<PoolPlan, 'poolId'>): string[] {
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
