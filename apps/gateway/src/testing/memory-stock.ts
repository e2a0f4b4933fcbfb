/** The stock of an event in memory: lists, tally and stocker with the rules and the delays of the real ones, at a test's time. */
import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { fullMask, releasedFraction } from '#libs/domain';
import type { PoolTotals, StockAnswer, StockVisit, WantedBlocks } from '#libs/redis';
import { periodOf } from '../shake/shake-rate.ts';

const blockSizeMax = 256;
/** The stocker's: apps/allocation. */
const stockTickMs = 250;
const pushDelayMs = 60;

interface Tally {
  gateways: number;
  readonly pools: Map<number, { shakes: number; left: number; listed: number }>;
}

const noTotals: PoolTotals = { shakes: 0, left: 0, listed: 0 };

/** libs/redis' `exchangeStock` and what it works on. */
export class MemoryStock {
  /** Visits that were made. */
  visits = 0;
  private readonly lists = new Map<number, StockedBlock[]>();
  private readonly tallies = new Map<number, Tally>();

  push(block: StockedBlock): void {
    this.listOf(block.poolId).push(block);
  }

  listed(poolId: number): number {
    return this.listOf(poolId).reduce((sum, { count }) => sum + count, 0);
  }

  exchange(visit: StockVisit, storeMs: number): StockAnswer {
    this.visits += 1;
    const period = visit.tally?.period;
    const tally = period === undefined ? undefined : this.tallyOf(period);
    if (tally !== undefined) tally.gateways += 1;
    for (const { poolId, shakes, left } of visit.tally?.pools ?? []) {
      const sums = sumsOf(tally!, poolId);
      sums.shakes += shakes;
      sums.left += left;
    }
    for (const poolId of visit.poolIds) this.dropPast(poolId, storeMs);
    const blocks = new Map(visit.wanted.map((wanted) => [wanted.poolId, this.take(wanted)]));
    const listed = new Map(visit.poolIds.map((poolId) => [poolId, this.listed(poolId)]));
    for (const [poolId, count] of listed) {
      if (tally === undefined) break;
      const sums = sumsOf(tally, poolId);
      sums.listed = count;
      sums.left += (blocks.get(poolId) ?? []).reduce((sum, block) => sum + block.count, 0);
    }
    const totalsPeriod = (period ?? periodOf(storeMs) - 1) - 1;
    const totals = this.tallies.get(totalsPeriod);
    const answer = { status: 'ok', storeMs, blocks, listed } as const;
    if (totals === undefined) return answer;
    const pools = new Map(visit.poolIds.map((poolId) => [poolId, { ...(totals.pools.get(poolId) ?? noTotals) }]));
    return { ...answer, totals: { period: totalsPeriod, gateways: totals.gateways, pools } };
  }

  private take({ poolId, blocksMax, indexesMax = blocksMax * blockSizeMax }: WantedBlocks): StockedBlock[] {
    const list = this.listOf(poolId);
    const taken: StockedBlock[] = [];
    for (let missing = indexesMax; missing > 0 && taken.length < blocksMax && list.length > 0; ) {
      const block = list.shift()!;
      const count = Math.min(block.count, missing);
      const skip = block.skip ?? 0;
      if (count < block.count) list.unshift({ ...block, count: block.count - count, skip: skip + count });
      taken.push({ ...block, count, skip });
      missing -= count;
    }
    return taken;
  }

  private dropPast(poolId: number, nowMs: number): void {
    const list = this.listOf(poolId);
    while (list.length > 0 && list[0]!.issueUntilMs <= nowMs) list.shift();
  }

  private tallyOf(period: number): Tally {
    const tally = this.tallies.get(period) ?? { gateways: 0, pools: new Map() };
    this.tallies.set(period, tally);
    this.tallies.delete(period - 10);
    return tally;
  }

  private listOf(poolId: number): StockedBlock[] {
    const list = this.lists.get(poolId) ?? [];
    this.lists.set(poolId, list);
    return list;
  }
}

function sumsOf({ pools }: Tally, poolId: number): { shakes: number; left: number; listed: number } {
  const sums = pools.get(poolId) ?? { shakes: 0, left: 0, listed: 0 };
  pools.set(poolId, sums);
  return sums;
}

/** Fills the lists along the curves, `stockLeadMs` ahead, in whole blocks, a little late, as allocation's stocker does. */
export class MemoryStocker {
  private readonly nextBlock = new Map<number, number>();
  private tickedAtMs = Number.NEGATIVE_INFINITY;
  private underWay: { readonly atMs: number; readonly block: StockedBlock }[] = [];

  /** `isWaveOnly`: blocks end with their wave. */
  constructor(
    private readonly stock: MemoryStock,
    private readonly event: EventSnapshot,
    private readonly isWaveOnly = false,
  ) {}

  pass(nowMs: number): void {
    const arrived = this.underWay.filter(({ atMs }) => atMs <= nowMs);
    this.underWay = this.underWay.filter(({ atMs }) => atMs > nowMs);
    for (const { block } of arrived) this.stock.push(block);
    if (nowMs - this.tickedAtMs < stockTickMs) return;
    this.tickedAtMs = nowMs;
    for (const pool of this.event.pools) this.fill(pool, nowMs);
  }

  private fill(pool: EventSnapshot['pools'][number], nowMs: number): void {
    const { poolId, packetCount, blockSize, releaseCurve, waveNo, blockLifeMs } = pool;
    const wave = this.event.waves.find(({ no }) => no === waveNo)!;
    const elapsedMs = nowMs + this.event.stockLeadMs - wave.startsAtMs;
    const due = Math.ceil((releasedFraction(releaseCurve, elapsedMs, wave.durationMs) * packetCount) / blockSize);
    const endMs = this.isWaveOnly ? wave.startsAtMs + wave.durationMs : this.event.endsAtMs;
    const issueUntilMs = Math.min(Math.max(nowMs, wave.startsAtMs) + blockLifeMs, endMs);
    let blockNo = this.nextBlock.get(poolId) ?? 0;
    for (; blockNo < due && nowMs < endMs; blockNo++) {
      const count = Math.min(blockSize, packetCount - blockNo * blockSize);
      const mask = Buffer.from(fullMask(count)).toString('base64url');
      this.underWay.push({
        atMs: nowMs + pushDelayMs,
        block: { poolId, blockNo, epoch: 1, issueUntilMs, mask, count },
      });
    }
    this.nextBlock.set(poolId, blockNo);
  }
}
