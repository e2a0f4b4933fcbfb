import type { StockedBlock } from '#libs/contracts';
import type { EventBook } from '../events/event-book.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { ShakeAdmission } from './shake-admission.ts';
import { type PoolWant, ShakeEvent } from './shake-event.ts';
import { tickMs } from './shake-rate.ts';

/** The events as they are shaken on this process, in step with the book; the ticks that keep the hot path free of upkeep. */
export class ShakeEvents {
  private readonly byText = new Map<string, ShakeEvent>();
  private readonly byPool = new Map<number, ShakeEvent>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly book: EventBook,
    private readonly time: StoreTime,
    private readonly luckSecret: Buffer,
    private readonly admission: ShakeAdmission,
  ) {}

  /** False until the events were read once: an unknown event says nothing before that. */
  get isLoaded(): boolean {
    return this.book.isLoaded;
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), tickMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  list(): Iterable<ShakeEvent> {
    return this.byText.values();
  }

  /** By the id as it stands in the address. */
  find(idText: string): ShakeEvent | undefined {
    return this.byText.get(idText) ?? this.adopt(idText);
  }

  tick(): void {
    this.followBook();
    const nowMs = this.time.approxMs();
    for (const event of this.byText.values()) event.tick(nowMs);
  }

  /** Over all events; see ShakeEvent. */
  wanted(nowMs: number): PoolWant[] {
    return [...this.byText.values()].flatMap((event) => event.wanted(nowMs));
  }

  /** Hands blocks that were taken to their events. Blocks of an event that went in the meantime come back by time. */
  add(blocks: readonly StockedBlock[], nowMs: number): void {
    const byEvent = new Map<ShakeEvent, StockedBlock[]>();
    for (const block of blocks) {
      const event = this.byPool.get(block.poolId);
      if (event !== undefined) byEvent.set(event, [...(byEvent.get(event) ?? []), block]);
    }
    for (const [event, itsBlocks] of byEvent) event.stock.add(itsBlocks, nowMs);
  }

  /** A packet became a user's for good: its event remembers it for the limits. */
  markOpened(idText: string, userId: string, packetId: bigint, sponsorNo: number): void {
    this.byText.get(idText)?.wins.markOpened(userId, packetId, sponsorNo, this.time.approxMs());
  }

  private followBook(): void {
    for (const event of this.book.list()) this.adopt(event.idText);
    for (const [idText, event] of this.byText) {
      if (this.book.findByText(idText) !== undefined) continue;
      this.byText.delete(idText);
      for (const poolId of event.event.pools.keys()) this.byPool.delete(poolId);
    }
  }

  private adopt(idText: string): ShakeEvent | undefined {
    const event = this.book.findByText(idText);
    if (event === undefined) return undefined;
    const known = this.byText.get(idText);
    const shakeEvent = known ?? new ShakeEvent(event, this.luckSecret, this.admission);
    if (known?.event === event) return known;
    shakeEvent.update(event);
    this.byText.set(idText, shakeEvent);
    for (const poolId of event.pools.keys()) this.byPool.set(poolId, shakeEvent);
    return shakeEvent;
  }
}
