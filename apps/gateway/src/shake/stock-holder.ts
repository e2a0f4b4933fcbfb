import type { StockAnswer, StockVisit } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { StoreTime } from '../process/store-time.ts';
import { periodOf } from './shake-rate.ts';
import { nextVisitAtMs, VisitAnswers } from './stock-visits.ts';
import type { PoolNeed } from './stocked-pool.ts';

/** `look` is called so often. */
export const lookMs = 25;
/** From one visit to an extra one. */
const extraPauseMs = 100;
/** More pools than one visit may name alternate, each part for so many periods: totals are read a period after the figures were given. */
const periodsPerPart = 4;

type TakenStock = Extract<StockAnswer, { status: 'ok' }>;

/** What this gateway tells and asks of one pool in a visit. */
export interface PoolVisit {
  readonly poolId: number;
  /** Distinct shakes in the ended period of users who may win here. */
  readonly shakes: number;
  /** Indexes in hand. */
  readonly left: number;
  /** Undefined: nothing. */
  readonly wanted: PoolNeed | undefined;
}

/** What a visit brought. */
export interface StockNews {
  readonly answer: TakenStock;
  /** The figures that this gateway gave, by pool id; undefined in an extra visit. */
  readonly reported: { readonly period: number; readonly shakes: ReadonlyMap<number, number> } | undefined;
  /** Gateways that shake, as far as known; at least 1. */
  readonly gateways: number;
}

/** Whose visits these are. */
export interface StockUser {
  /** Of all pools that are shaken; none when nobody shakes. `period`: the ended one. */
  visits(nowMs: number, period: number): PoolVisit[];
  take(news: StockNews, nowMs: number): void;
  /** True when a pool has too little in hand to wait for the next visit. */
  isRunningOut(): boolean;
}

export interface StockHolderOptions {
  readonly user: StockUser;
  readonly time: StoreTime;
  /** libs/redis' `exchangeStock`. */
  readonly exchange: (visit: StockVisit) => Promise<StockAnswer>;
  readonly poolsPerVisitMax: number;
  readonly logger: Logger;
  /** Uniform in [0, 1): visits of several gateways must not meet in one instant, nor one always come first. */
  readonly random?: () => number;
}

/**
 * This gateway's visits to the stock, in the background, never during a request: one command after each tally period while anything
 * is shaken, which tells its figures, takes what it will need and brings what all gateways told; an extra one when a pool runs out
 * sooner; none while nobody shakes. A visit that fails may have lost blocks on the way: time brings them back. Nothing is taken from
 * a store that is not the one the stock was built on, nor without a fresh clock, which could not tell when a block ends.
 */
export class StockHolder {
  private isStopped = false;
  private visiting: Promise<boolean> | undefined;
  private dueAtMs = 0;
  private doneAtMs = Number.NEGATIVE_INFINITY;
  private toldPeriod = -1;
  private refusal: string | undefined;
  private readonly answers = new VisitAnswers();

  constructor(private readonly options: StockHolderOptions) {}

  /** Takes no more; resolves when the visit under way is done. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.visiting;
  }

  /** Makes a visit if one is due. @returns whether one was made and brought an answer. */
  look(): Promise<boolean> {
    const nowMs = this.options.time.freshMs();
    if (this.isStopped || this.visiting !== undefined || nowMs === undefined) return Promise.resolve(false);
    return this.isDue(nowMs) ? this.visit(nowMs) : Promise.resolve(false);
  }

  private isDue(nowMs: number): boolean {
    if (nowMs >= this.dueAtMs) return true;
    return nowMs >= this.doneAtMs + extraPauseMs && this.options.user.isRunningOut();
  }

  private visit(nowMs: number): Promise<boolean> {
    const period = periodOf(nowMs) - 1;
    const pools = this.part(this.options.user.visits(nowMs, period), period);
    // while nobody shakes, each look asks again: the first shake is followed by a visit at once
    if (pools.length === 0) return Promise.resolve(false);
    if (nowMs >= this.dueAtMs) this.dueAtMs = nextVisitAtMs(nowMs, (this.options.random ?? Math.random)());
    this.visiting = this.exchange(pools, period).finally(() => {
      this.visiting = undefined;
    });
    return this.visiting;
  }

  private async exchange(pools: readonly PoolVisit[], period: number): Promise<boolean> {
    const { user, time, exchange } = this.options;
    const isToTell = period > this.toldPeriod;
    this.toldPeriod = period;
    try {
      const answer = await exchange(visitOf(pools, isToTell ? period : undefined));
      this.doneAtMs = time.approxMs();
      if (answer.status === 'store_changed') return this.refuse('the store is not the one the stock was built on');
      this.refuse(undefined);
      const shakes = new Map(pools.map((pool) => [pool.poolId, pool.shakes]));
      const reported = isToTell ? { period, shakes } : undefined;
      user.take({ ...this.answers.read(answer), reported }, this.doneAtMs);
      return true;
    } catch (err) {
      this.doneAtMs = time.approxMs();
      return this.refuse('the stock cannot be reached', err);
    }
  }

  /** All gateways tell of the same pools in the same periods. */
  private part(pools: PoolVisit[], period: number): PoolVisit[] {
    const { poolsPerVisitMax } = this.options;
    if (pools.length <= poolsPerVisitMax) return pools;
    const parts = Math.ceil(pools.length / poolsPerVisitMax);
    const part = Math.floor(period / periodsPerPart) % parts;
    return pools.sort((a, b) => a.poolId - b.poolId).slice(part * poolsPerVisitMax, (part + 1) * poolsPerVisitMax);
  }

  private refuse(refusal: string | undefined, err?: unknown): false {
    if (refusal !== this.refusal) {
      if (refusal === undefined) this.options.logger.info({}, 'stock is taken again');
      else this.options.logger.warn({ err }, `no stock is taken: ${refusal}`);
    }
    this.refusal = refusal;
    return false;
  }
}

function visitOf(pools: readonly PoolVisit[], period: number | undefined): StockVisit {
  const wanted = pools.flatMap(({ poolId, wanted: need }) => (need === undefined ? [] : [{ poolId, ...need }]));
  const poolIds = pools.map(({ poolId }) => poolId);
  if (period === undefined) return { wanted, poolIds };
  return {
    wanted,
    poolIds,
    tally: { period, pools: pools.map(({ poolId, shakes, left }) => ({ poolId, shakes, left })) },
  };
}
