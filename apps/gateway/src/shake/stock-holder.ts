import type { StockedBlock } from '#libs/contracts';
import type { Logger } from '#libs/runtime';
import type { StoreTime } from '../process/store-time.ts';
import type { PoolWant } from './shake-event.ts';

/** From one look at what is low to the next, and after a take that brought nothing. */
const takeIntervalMs = 100;
const takeIdleIntervalMs = 250;
/** Takes of several gateways drift apart instead of meeting in one instant. */
const jitterMs = 30;

/** The outcome of a take: libs/redis' `takeBlocks`. */
export type Taken =
  | { readonly status: 'ok'; readonly blocks: ReadonlyMap<number, readonly StockedBlock[]> }
  | { readonly status: 'store_changed' };

/** Where wants come from and blocks go to. */
export interface Hungry {
  wanted(nowMs: number): PoolWant[];
  add(blocks: readonly StockedBlock[], nowMs: number): void;
}

export interface StockHolderOptions {
  readonly hungry: Hungry;
  readonly time: StoreTime;
  readonly take: (wanted: PoolWant[]) => Promise<Taken>;
  readonly poolsPerTakeMax: number;
  readonly logger: Logger;
}

/**
 * Pops blocks in the background, one call for everything that is low; never during a request. A call that fails may have lost
 * blocks on the way: time brings them back. Nothing is taken from a store that is not the one the stock was built on, nor without
 * a fresh clock, which could not tell when a block ends.
 */
export class StockHolder {
  private timer: NodeJS.Timeout | undefined;
  private taking: Promise<void> = Promise.resolve();
  private isRunning = false;
  private refusal: string | undefined;
  private turn = 0;

  constructor(private readonly options: StockHolderOptions) {}

  start(): void {
    this.isRunning = true;
    this.schedule(takeIntervalMs);
  }

  /** Takes no more; resolves when the take under way is done. */
  async stop(): Promise<void> {
    this.isRunning = false;
    clearTimeout(this.timer);
    await this.taking;
  }

  /** One take, if anything is low. @returns the number of blocks that came; undefined when none was asked for. */
  async takeOnce(): Promise<number | undefined> {
    const { hungry, time, take, poolsPerTakeMax } = this.options;
    const nowMs = time.freshMs();
    const wanted = nowMs === undefined ? [] : this.nextOf(hungry.wanted(nowMs), poolsPerTakeMax);
    if (wanted.length === 0) return undefined;
    try {
      const taken = await take(wanted);
      if (taken.status === 'store_changed') return this.refuse('the store is not the one the stock was built on');
      this.refuse(undefined);
      const blocks = [...taken.blocks.values()].flat();
      if (blocks.length > 0) hungry.add(blocks, time.approxMs());
      return blocks.length;
    } catch (err) {
      return this.refuse('the stock cannot be reached', err);
    }
  }

  /** More pools than one call may name take turns, so that no event waits for another. */
  private nextOf(wants: PoolWant[], poolsMax: number): PoolWant[] {
    if (wants.length <= poolsMax) return wants;
    const start = (this.turn * poolsMax) % wants.length;
    this.turn += 1;
    return [...wants.slice(start), ...wants.slice(0, start)].slice(0, poolsMax);
  }

  private schedule(delayMs: number): void {
    this.timer = setTimeout(
      () => {
        this.taking = this.takeOnce().then((count) => {
          if (this.isRunning) this.schedule(count === 0 ? takeIdleIntervalMs : takeIntervalMs);
        });
      },
      delayMs + Math.random() * jitterMs,
    );
  }

  private refuse(refusal: string | undefined, err?: unknown): 0 {
    if (refusal !== this.refusal) {
      if (refusal === undefined) this.options.logger.info({}, 'blocks are taken again');
      else this.options.logger.warn({ err }, `no blocks are taken: ${refusal}`);
    }
    this.refusal = refusal;
    return 0;
  }
}
