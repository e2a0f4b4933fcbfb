import type { FeedEntry, GrabItem, OpenItem } from '#libs/contracts';
import type { Db, Pool } from '#libs/database';
import { epochMax } from '#libs/domain';
import type { AllocationMetrics } from '../process/metrics.ts';
import { settleAccepted } from './acceptance.ts';
import type { DerivedAmounts } from './derived-amounts.ts';
import type { BookedPacket, EventBook } from './event-book.ts';
import { repeatWhileAway, type SettleBatchOptions, settleBatch } from './settle-batch.ts';
import type { SettlementKind } from './settlement-kind.ts';

/** An item and the lane that it came by. */
export interface LaneItem<Item> {
  readonly item: Item;
  readonly lane: string;
}

export interface ItemSettlerDeps {
  /** Its connections are for settlement: as many as calls may be in flight. */
  readonly pool: Pool;
  readonly book: EventBook;
  readonly amounts: DerivedAmounts;
  readonly metrics: AllocationMetrics;
  /** Told of what was newly booked, after its commit; may not throw. */
  readonly onBooked: (entries: readonly FeedEntry[]) => void;
}

export interface SettleItemsOptions<Entry> {
  /** Keeps an item that can never be settled: its outcome is `dead`. */
  readonly bury: (entry: Entry, error: unknown) => Promise<void>;
  /** Those that are accepted and not settled yet, for items of a lane's jobs; without it they are all settled, as dead letters are. */
  readonly look?: (entries: readonly Entry[]) => Promise<ReadonlySet<Entry>>;
  readonly stopped: AbortSignal;
}

interface Work<Entry, Claim> {
  readonly entry: Entry;
  readonly packet: BookedPacket;
  readonly claim: Claim;
}

/** From the items of a lane to their outcomes: finds the packets, derives the amounts, has the database decide and book. */
export class ItemSettler<Item extends OpenItem | GrabItem, Claim, Settlement, Outcome extends { outcome: string }> {
  constructor(
    private readonly kind: SettlementKind<Item, Claim, Settlement, Outcome>,
    private readonly deps: ItemSettlerDeps,
  ) {}

  /**
   * Settles items together; one outcome for each, in their order, after the commit. An item that names a packet which its event
   * does not have is `expired`: nothing is booked for it. One that `look` does not find has no outcome here.
   * @throws as `settleBatch`.
   */
  async settle<Entry extends LaneItem<Item>>(
    entries: readonly Entry[],
    options: SettleItemsOptions<Entry>,
  ): Promise<(Outcome | undefined)[]> {
    const steps = { onRepeat: this.onRepeat, stopped: options.stopped };
    const bury = async (entry: Entry, error: unknown): Promise<Outcome | undefined> => {
      if (options.look !== undefined && !(await options.look([entry])).has(entry)) return undefined;
      await options.bury(entry, error);
      return this.kind.dead;
    };
    const { book } = this.deps;
    const pages = await repeatWhileAway(() => book.open(entries.map(({ item }) => item.eventId)), steps);
    const outcomes: (Outcome | undefined)[] = entries.map(() => this.kind.expired);
    const works: { work: Work<Entry, Claim>; at: number }[] = [];
    const underivable: { fault: unknown; at: number }[] = [];
    for (const [at, entry] of entries.entries()) {
      const packet = pages.find(entry.item.eventId, entry.item.packetId);
      if (packet === undefined || !isPlausible(entry.item, packet)) continue;
      const derived = this.derive(entry.item, packet);
      if ('claim' in derived) works.push({ at, work: { entry, packet, claim: derived.claim } });
      else underivable.push({ at, fault: derived.fault });
    }
    const settled = await settleBatch(
      works.map(({ work }) => work),
      {
        ...steps,
        settle: (batch) => this.settleWorks(batch, options),
        bury: (work, error) => bury(work.entry, error),
      },
    );
    for (const [i, outcome] of settled.entries()) outcomes[works[i]!.at] = outcome;
    for (const { at, fault } of underivable) {
      outcomes[at] = await repeatWhileAway(() => bury(entries[at]!, fault), steps);
    }
    for (const outcome of outcomes)
      this.deps.metrics.outcomes.inc({ kind: this.kind.kind, outcome: outcome?.outcome ?? 'not_outstanding' });
    return outcomes;
  }

  /** A packet whose amounts cannot be derived is a poisonous item like one that cannot be booked. */
  private derive(item: Item, packet: BookedPacket): { claim: Claim } | { fault: unknown } {
    try {
      return { claim: this.kind.claimOf(item, packet, this.deps.amounts) };
    } catch (fault) {
      return { fault };
    }
  }

  private async settleWorks<Entry extends LaneItem<Item>>(
    works: readonly Work<Entry, Claim>[],
    { look }: SettleItemsOptions<Entry>,
  ): Promise<(Outcome | undefined)[]> {
    const { pool } = this.deps;
    if (look === undefined) return this.settleClaims(pool, works);
    return await settleAccepted({
      pool,
      entries: works,
      look: (asked) => {
        const found = look(asked.map(({ entry }) => entry));
        return found.then((entries) => new Set(asked.filter(({ entry }) => entries.has(entry))));
      },
      settle: (client, accepted) => this.settleClaims(client, accepted),
      onStale: () => this.deps.metrics.settleRepeats.inc({ kind: this.kind.kind, reason: 'stale' }),
    });
  }

  private async settleClaims(db: Db, works: readonly Work<LaneItem<Item>, Claim>[]): Promise<Outcome[]> {
    const { metrics, onBooked } = this.deps;
    const endTimer = metrics.settleSeconds.startTimer({ kind: this.kind.kind });
    const settlements = await this.kind.settle(
      db,
      works.map(({ claim }) => claim),
    );
    endTimer();
    metrics.settleItems.observe({ kind: this.kind.kind }, works.length);
    onBooked(works.flatMap((work, i) => this.feedEntriesOf(work, settlements[i]!)));
    return settlements.map(this.kind.outcomeOf);
  }

  private feedEntriesOf({ entry: { item }, packet }: Work<LaneItem<Item>, Claim>, settlement: Settlement): FeedEntry[] {
    const amountFen = this.kind.bookedFen(settlement);
    if (amountFen === undefined) return [];
    const { eventId, userId, acceptedAtMs } = item;
    const { sponsorNo } = packet.pool;
    return [{ kind: this.kind.kind, eventId, userId, sponsorNo, amountFen, atMs: acceptedAtMs }];
  }

  private readonly onRepeat: SettleBatchOptions<never, never>['onRepeat'] = (_error, reason) => {
    this.deps.metrics.settleRepeats.inc({ kind: this.kind.kind, reason });
  };
}

/** Numbers that no ticket of this packet can carry have no claim on it, and may not even fit the database's types. */
function isPlausible(item: OpenItem | GrabItem, { pool }: BookedPacket): boolean {
  return item.sponsorNo === pool.sponsorNo && item.epoch >= 1 && item.epoch <= epochMax;
}
