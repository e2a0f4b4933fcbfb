import { describe, expect, it } from 'vitest';
import type { StockAnswer, StockVisit } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import { StoreTime } from '../process/store-time.ts';
import { testBlock } from '../testing/test-event.ts';
import { type PoolVisit, StockHolder, type StockNews } from './stock-holder.ts';

const answerOf = (visit: StockVisit, totals?: { period: number; gateways: number }): StockAnswer => ({
  status: 'ok',
  storeMs: 0,
  blocks: new Map(visit.wanted.map(({ poolId }) => [poolId, [testBlock(poolId)]])),
  listed: new Map(visit.poolIds.map((poolId) => [poolId, 7])),
  ...(totals && { totals: { ...totals, pools: new Map() } }),
});

class Lab {
  nowMs: number | undefined = 10_010;
  pools: PoolVisit[] = [];
  isRunningOut = false;
  exchange: (visit: StockVisit) => Promise<StockAnswer> = async (visit) => answerOf(visit);
  readonly visits: StockVisit[] = [];
  readonly news: StockNews[] = [];
  readonly holder: StockHolder;

  constructor(poolCount: number, poolsPerVisitMax = 100) {
    this.pools = Array.from({ length: poolCount }, (_, i) => ({
      poolId: i + 1,
      shakes: 10,
      left: 2,
      wanted: i === 0 ? { indexesMax: 5, blocksMax: 5 } : undefined,
    }));
    this.holder = new StockHolder({
      user: {
        visits: () => [...this.pools],
        take: (news) => this.news.push(news),
        isRunningOut: () => this.isRunningOut,
      },
      time: new StoreTime({ nowMs: () => this.nowMs }),
      exchange: (visit) => {
        this.visits.push(visit);
        return this.exchange(visit);
      },
      poolsPerVisitMax,
      logger: createLogger('test', 'silent'),
      random: () => 0.5,
    });
  }

  async lookAt(nowMs: number): Promise<boolean> {
    this.nowMs = nowMs;
    return await this.holder.look();
  }
}

describe('the stock holder', () => {
  it('tells and asks everything in one command, once in each period', async () => {
    const lab = new Lab(2);
    expect(await lab.lookAt(10_010)).toBe(true);
    expect(lab.visits).toEqual([
      {
        wanted: [{ poolId: 1, indexesMax: 5, blocksMax: 5 }],
        poolIds: [1, 2],
        tally: { period: 19, pools: [1, 2].map((poolId) => ({ poolId, shakes: 10, left: 2 })) },
      },
    ]);
    expect(lab.news[0]).toMatchObject({ gateways: 1, reported: { period: 19, shakes: new Map([[1, 10], [2, 10]]) } }); // biome-ignore format: pairs
    for (let nowMs = 10_020; nowMs < 15_500; nowMs += 25) await lab.lookAt(nowMs);
    expect(lab.visits.map(({ tally }) => tally?.period)).toEqual([19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  it('asks sooner when a pool runs out, without telling twice', async () => {
    const lab = new Lab(1);
    await lab.lookAt(10_010);
    lab.isRunningOut = true;
    expect(await lab.lookAt(10_100)).toBe(false);
    expect(await lab.lookAt(10_110)).toBe(true);
    expect(lab.visits[1]!.tally).toBeUndefined();
    expect(lab.news[1]!.reported).toBeUndefined();
  });

  it('makes no visit while nobody shakes, nor without a fresh clock, and the first shake is followed by one at once', async () => {
    const lab = new Lab(1);
    const { pools } = lab;
    lab.pools = [];
    expect([await lab.lookAt(10_010), await lab.lookAt(10_500)]).toEqual([false, false]);
    lab.pools = pools;
    lab.nowMs = undefined;
    expect(await lab.holder.look()).toBe(false);
    expect(lab.visits).toEqual([]);
    expect(await lab.lookAt(10_525)).toBe(true);
  });

  it('makes one visit at a time', async () => {
    const lab = new Lab(1);
    let answer: (answer: StockAnswer) => void = () => undefined;
    lab.exchange = () => new Promise((resolve) => (answer = resolve));
    const turning = lab.lookAt(10_010);
    expect(await lab.lookAt(12_000)).toBe(false);
    answer(answerOf({ wanted: [], poolIds: [] }));
    expect(await turning).toBe(true);
    expect(lab.visits).toHaveLength(1);
  });

  it('names more pools than one command may hold in parts, the same for all gateways and long enough to read totals', async () => {
    const lab = new Lab(5, 2);
    for (let period = 24; period < 36; period++) await lab.lookAt(period * 500 + 499);
    const named = lab.visits.map(({ poolIds }) => poolIds.join());
    // which part begins is a matter of the period's number
    expect([...named.slice(1), named[0]].join(' ')).toBe('1,2 1,2 1,2 1,2 3,4 3,4 3,4 3,4 5 5 5 5');
  });

  it('goes on after a store that changed or is away (invariant 10)', async () => {
    const lab = new Lab(1);
    const outcomes: (() => Promise<StockAnswer>)[] = [
      async () => ({ status: 'store_changed', storeMs: 0 }),
      async () => {
        throw new Error('away');
      },
      async () => answerOf({ wanted: [], poolIds: [1] }),
    ];
    lab.exchange = () => outcomes.shift()!();
    expect([await lab.lookAt(10_000), await lab.lookAt(11_000), await lab.lookAt(12_000)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(lab.news).toHaveLength(1);
  });

  it('believes totals that lack a gateway only when it stays away', async () => {
    const lab = new Lab(1);
    const gateways = [3, 2, 3, 2, 2, 2, 2];
    lab.exchange = async (visit) => answerOf(visit, { period: visit.tally!.period - 1, gateways: gateways.shift()! });
    for (let period = 20; period < 27; period++) await lab.lookAt(period * 500 + 499);
    expect(lab.news.map(({ answer, gateways: known }) => [known, answer.totals !== undefined])).toEqual([
      [3, true],
      [3, false],
      [3, true],
      [3, false],
      [3, false],
      [2, true],
      [2, true],
    ]);
  });
});
