import type { EventSnapshot, StockedBlock } from '#libs/contracts';
import { dropStock, pushBlocks, pushBlocksMax, type RedisClient, readStore, resetStock } from '#libs/redis';
import { benchBlock, blocksDue } from './bench-event.ts';

const tickMs = 200;
const listBlocksMax = 4096;

/** Stocks events along their curves as allocation's stocker does, but only while they are shaken, so that every run finds the same stock. */
export class BenchStocker {
  /** Blocks are never used again. */
  private readonly nextBlock = new Map<number, number>();
  /** Time goes on for the curves only while somebody shakes: what is released to nobody would be won by the first who come. */
  private shakenMs = 0;
  private shakenFromMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();

  private constructor(
    private readonly client: RedisClient,
    private readonly stamp: string,
  ) {}

  /** Takes the store over: what is stocked on it is thrown away. */
  static async open(client: RedisClient): Promise<BenchStocker> {
    const { runId } = await readStore(client);
    await resetStock(client, { runId });
    return new BenchStocker(client, runId);
  }

  /** Runs `work` while the events are being stocked; what is left on the lists is thrown away. */
  async stocking<T>(events: readonly EventSnapshot[], work: () => Promise<T>): Promise<T> {
    await this.begin(events);
    try {
      return await work();
    } finally {
      await this.end(events);
    }
  }

  get isStocking(): boolean {
    return this.timer !== undefined;
  }

  /** Runs `work`, in which somebody shakes. */
  async shaken<T>(work: () => Promise<T>): Promise<T> {
    this.shakenFromMs = performance.now();
    try {
      return await work();
    } finally {
      this.shakenMs = this.elapsedMs();
      this.shakenFromMs = undefined;
    }
  }

  private elapsedMs(): number {
    return this.shakenMs + (this.shakenFromMs === undefined ? 0 : performance.now() - this.shakenFromMs);
  }

  private async begin(events: readonly EventSnapshot[]): Promise<void> {
    this.shakenMs = 0;
    const stocked = new Map<number, number>();
    const tick = (): Promise<void> => this.stock(events, this.elapsedMs(), stocked);
    await tick();
    this.timer = setInterval(() => {
      this.working = this.working.then(tick);
      // Told by `end`.
      this.working.catch(() => undefined);
    }, tickMs);
  }

  private async end(events: readonly EventSnapshot[]): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.working;
    await dropStock(
      this.client,
      events.flatMap(({ pools }) => pools.map(({ poolId }) => poolId)),
    );
  }

  private async stock(
    events: readonly EventSnapshot[],
    elapsedMs: number,
    stocked: Map<number, number>,
  ): Promise<void> {
    const { storeMs } = await readStore(this.client);
    const blocks = events.flatMap((event) =>
      event.pools.flatMap((pool) => {
        const before = stocked.get(pool.poolId) ?? 0;
        const due = Math.max(before, blocksDue(event, pool, elapsedMs));
        stocked.set(pool.poolId, due);
        return Array.from({ length: due - before }, () => benchBlock(pool, this.takeBlockNo(pool.poolId), storeMs));
      }),
    );
    for (let first = 0; first < blocks.length; first += pushBlocksMax)
      await this.push(blocks.slice(first, first + pushBlocksMax));
  }

  private takeBlockNo(poolId: number): number {
    const blockNo = this.nextBlock.get(poolId) ?? 0;
    this.nextBlock.set(poolId, blockNo + 1);
    return blockNo;
  }

  private async push(blocks: readonly StockedBlock[]): Promise<void> {
    const pushed = await pushBlocks(this.client, { expectedStamp: this.stamp, blocks, listBlocksMax });
    if (pushed.status !== 'ok') throw new Error('the stock of the benchmark is on another server than before');
  }
}
