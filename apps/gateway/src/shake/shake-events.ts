import { type HashKey, userHashKeyOf, userHashOf } from '#libs/domain';
import type { EventBook } from '../events/event-book.ts';
import type { StoreTime } from '../process/store-time.ts';
import type { PacedLoad } from './pace-controller.ts';
import type { ShakeAdmission } from './shake-admission.ts';
import { ShakeEvent } from './shake-event.ts';
import type { PoolVisit, StockNews, StockUser } from './stock-holder.ts';

/** The events as they are shaken on this process, in step with the book; the ticks that keep the hot path free of upkeep. */
export class ShakeEvents implements StockUser {
  private readonly byText = new Map<string, ShakeEvent>();
  private readonly userHashKey: HashKey;

  constructor(
    private readonly book: EventBook,
    private readonly time: StoreTime,
    private readonly luckSecret: Buffer,
    private readonly admission: ShakeAdmission,
  ) {
    this.userHashKey = userHashKeyOf(luckSecret);
  }

  /** False until the events were read once: an unknown event says nothing before that. */
  get isLoaded(): boolean {
    return this.book.isLoaded;
  }

  list(): Iterable<ShakeEvent> {
    return this.byText.values();
  }

  /** By the id as it stands in the address. */
  find(idText: string): ShakeEvent | undefined {
    return this.byText.get(idText) ?? this.adopt(idText);
  }

  /** Each `tickMs`. */
  tick(): void {
    this.followBook();
    const nowMs = this.time.approxMs();
    for (const event of this.byText.values()) event.tick(nowMs);
  }

  /** What all events bring since the last call, for the pace. */
  takeLoads(): PacedLoad[] {
    return Array.from(this.byText.values(), ({ turns }) => turns.takeLoad());
  }

  /** Of all events that are shaken. */
  visits(nowMs: number, period: number): PoolVisit[] {
    return this.shaken(nowMs).flatMap(({ stock }) => stock.visits(nowMs, period));
  }

  /** Hands what a visit brought to the events. Blocks of an event that went in the meantime come back by time. */
  take(news: StockNews, nowMs: number): void {
    for (const event of this.byText.values()) event.stock.take(news, nowMs);
  }

  isRunningOut(): boolean {
    return this.shaken(this.time.approxMs()).some(({ stock }) => stock.isRunningOut());
  }

  /** A packet became a user's for good: its event remembers it for the limits. */
  markOpened(idText: string, userId: string, packetId: bigint, sponsorNo: number): void {
    const event = this.byText.get(idText);
    if (event === undefined) return;
    event.wins.markOpened(userHashOf(this.userHashKey, userId), packetId, sponsorNo, this.time.approxMs());
  }

  private shaken(nowMs: number): ShakeEvent[] {
    return [...this.byText.values()].filter((event) => event.isShaken(nowMs));
  }

  private followBook(): void {
    for (const event of this.book.list()) this.adopt(event.idText);
    for (const idText of this.byText.keys()) {
      if (this.book.findByText(idText) !== undefined) continue;
      this.byText.delete(idText);
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
    return shakeEvent;
  }
}
