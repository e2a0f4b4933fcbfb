import { BatchPace } from './batch-pace.ts';

export interface MergingBatcherOptions<Item, Outcome> {
  /** Settles items together; one outcome for each, in their order. */
  readonly settleBatch: (items: Item[]) => Promise<readonly Outcome[]>;
  readonly batchItemsMax?: number;
  readonly callsInFlightMax?: number;
  /** Takes the place of both, and makes calls smaller and fewer while they are slow. */
  readonly pace?: BatchPace;
  /** Monotonic milliseconds. */
  readonly monotonicMs?: () => number;
  /** More than this is refused; at least jobs at once × items per job of all who submit. */
  readonly itemsWaitingMax?: number;
}

const batchItemsDefaultMax = 1024;
const callsInFlightDefaultMax = 2;
const itemsWaitingDefaultMax = 1_048_576;

interface Group<Item, Outcome> {
  readonly items: readonly Item[];
  /** It was in a merged call that rejected: its next call is for it alone. */
  readonly isAlone: boolean;
  readonly resolve: (outcomes: Outcome[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Merges what waits into few large calls: while calls are under way the groups that arrive gather, and the next call takes as many
 * whole groups as fit, in order of arrival. So a call is large just when the work is behind, and small when there is no hurry. When a
 * merged call rejects, each of its groups is called once alone, so that only a group which is at fault itself is rejected:
 * `settleBatch` meets the same items again then, as it does when a job runs again.
 */
export class MergingBatcher<Item, Outcome> {
  private readonly groupItemsMax: number;
  private readonly pace: BatchPace;
  private readonly monotonicMs: () => number;
  private readonly itemsWaitingMax: number;
  private groups: Group<Item, Outcome>[] = [];
  private itemsWaiting = 0;
  private callsInFlight = 0;
  private readonly idle = new Set<() => void>();

  constructor(private readonly options: MergingBatcherOptions<Item, Outcome>) {
    const { batchItemsMax = batchItemsDefaultMax, callsInFlightMax = callsInFlightDefaultMax } = options;
    this.pace = options.pace ?? steadyPace(batchItemsMax, callsInFlightMax);
    this.groupItemsMax = options.pace?.itemsMost ?? batchItemsMax;
    this.monotonicMs = options.monotonicMs ?? (() => performance.now());
    this.itemsWaitingMax = options.itemsWaitingMax ?? itemsWaitingDefaultMax;
  }

  /**
   * Settles a group of items in one call with others; its items stay together and in order.
   * @returns one outcome for each item, in their order.
   * @throws whatever the call with this group alone threw, and RangeError for a group over `batchItemsMax` or when too much waits.
   */
  async submit(items: readonly Item[]): Promise<Outcome[]> {
    if (items.length === 0) return [];
    if (items.length > this.groupItemsMax) throw new RangeError(`a group holds at most ${this.groupItemsMax} items`);
    if (this.itemsWaiting + items.length > this.itemsWaitingMax) {
      throw new RangeError(`over ${this.itemsWaitingMax} items wait to be settled`);
    }
    return await new Promise<Outcome[]>((resolve, reject) => {
      this.groups.push({ items, isAlone: false, resolve, reject });
      this.itemsWaiting += items.length;
      // After the turn that submits: jobs that were fetched together are settled together.
      setImmediate(() => this.startCalls());
    });
  }

  load(): { readonly itemsWaiting: number; readonly callsInFlight: number } {
    return { itemsWaiting: this.itemsWaiting, callsInFlight: this.callsInFlight };
  }

  /** Resolves when nothing waits and no call is under way. */
  async whenIdle(): Promise<void> {
    if (this.groups.length === 0 && this.callsInFlight === 0) return;
    await new Promise<void>((resolve) => this.idle.add(resolve));
  }

  private startCalls(): void {
    while (this.groups.length > 0 && this.callsInFlight < this.pace.callsInFlightMax) {
      const batch = this.groups.splice(0, this.groupsThatFit());
      const items = batch.flatMap((group) => group.items);
      this.itemsWaiting -= items.length;
      this.callsInFlight += 1;
      void this.call(batch, items);
    }
  }

  private groupsThatFit(): number {
    if (this.groups[0]?.isAlone) return 1;
    let items = 0;
    const end = this.groups.findIndex((group) => {
      if (group.isAlone) return true;
      items += group.items.length;
      return items > this.pace.batchItemsMax;
    });
    return end === -1 ? this.groups.length : Math.max(end, 1);
  }

  private async call(batch: readonly Group<Item, Outcome>[], items: Item[]): Promise<void> {
    const startedAtMs = this.monotonicMs();
    try {
      const outcomes = await this.options.settleBatch(items);
      if (outcomes.length !== items.length) {
        throw new Error(`${items.length} items were settled with ${outcomes.length} outcomes`);
      }
      let from = 0;
      for (const group of batch) {
        group.resolve(outcomes.slice(from, from + group.items.length));
        from += group.items.length;
      }
    } catch (error) {
      if (batch.length === 1) batch[0]!.reject(error);
      else this.callAlone(batch, items.length);
    } finally {
      this.callsInFlight -= 1;
      this.pace.tell(this.monotonicMs() - startedAtMs);
      this.startCalls();
      this.tellIdle();
    }
  }

  /** First in line, as they arrived first. */
  private callAlone(batch: readonly Group<Item, Outcome>[], itemCount: number): void {
    this.groups.unshift(...batch.map((group) => ({ ...group, isAlone: true })));
    this.itemsWaiting += itemCount;
  }

  private tellIdle(): void {
    if (this.groups.length > 0 || this.callsInFlight > 0) return;
    for (const resolve of this.idle) resolve();
    this.idle.clear();
  }
}

/** One that nothing changes. */
function steadyPace(itemsMax: number, callsMax: number): BatchPace {
  const never = Number.POSITIVE_INFINITY;
  return new BatchPace({ itemsMax, callsMax, hardMs: never, outageMs: never });
}
