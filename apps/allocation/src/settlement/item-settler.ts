import type { FeedEntry, GrabItem, OpenItem } from '#libs/contracts';
import type { Pool } from '#libs/database';
import { epochMax } from '#libs/domain';
import type { AllocationMetrics } from '../process/metrics.ts';
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

export interface SettleItemsOptions<Item> {
  /** Keeps an item that can never be settled: its outcome is `dead`. */
  readonly bury: (entry: LaneItem<Item>, error: unknown) => Promise<void>;
  readonly stopped: AbortSignal;
}

interface Work<Item, Claim> {
  readonly entry: LaneItem<Item>;
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
   * does not have is `expired`: nothing is booked for it.
   * @throws as `settleBatch`.
   */
  async settle(entries: readonly LaneItem<Item>[], options: SettleItemsOptions<Item>): Promise<Outcome[]> {
    const steps = { onRepeat: this.onRepeat, stopped: options.stopped };
    const bury = async (entry: LaneItem<Item>, error: unknown): Promise<Outcome> => {
      await options.bury(entry, error);
      return this.kind.dead;
    };
    const { book } = this.deps;
    const pages = await repeatWhileAway(() => book.open(entries.map(({ item }) => item.eventId)), steps);
    const outcomes: Outcome[] = entries.map(() => this.kind.expired);
    const works: { work: Work<Item, Claim>; at: number }[] = [];
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
        settle: (batch) => this.settleClaims(batch),
        bury: (work, error) => bury(work.entry, error),
      },
    );
    for (const [i, outcome] of settled.entries()) outcomes[works[i]!.at] = outcome;
    for (const { at, fault } of underivable) {
      outcomes[at] = await repeatWhileAway(() => bury(entries[at]!, fault), steps);
    }
    for (const { outcome } of outcomes) this.deps.metrics.outcomes.inc({ kind: this.kind.kind, outcome });
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

  private async settleClaims(works: readonly Work<Item, Claim>[]): Promise<Outcome[]> {
    const { pool, metrics, onBooked } = this.deps;
    const endTimer = metrics.settleSeconds.startTimer({ kind: this.kind.kind });
    const settlements = await this.kind.settle(
      pool,
      works.map(({ claim }) => claim),
    );
    endTimer();
    metrics.settleItems.observe({ kind: this.kind.kind }, works.length);
    onBooked(works.flatMap((work, i) => this.feedEntriesOf(work, settlements[i]!)));
    return settlements.map(this.kind.outcomeOf);
  }

  private feedEntriesOf({ entry: { item }, packet }: Work<Item, Claim>, settlement: Settlement): FeedEntry[] {
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
