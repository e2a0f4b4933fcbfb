import { type HashKey, luckKeyOf } from '#libs/domain';
import type { GatewayEvent } from '../events/gateway-event.ts';
import { EventStock } from './event-stock.ts';
import { EventTurns } from './event-turns.ts';
import { RecentWins } from './recent-wins.ts';
import type { ShakeAdmission } from './shake-admission.ts';
import { ShakeRate } from './shake-rate.ts';

/** Winners remembered per event, about 1 KB each: as many as a gateway can answer within a ticket's life. */
const recentWinnersMax = 50_000;

/** One event as it is shaken on this process: its stock, chance, winners and turns. Nothing is shared between events. */
export class ShakeEvent {
  readonly luckKey: HashKey;
  readonly rate = new ShakeRate();
  readonly stock: EventStock;
  readonly wins = new RecentWins(recentWinnersMax);
  readonly turns: EventTurns;

  constructor(
    private current: GatewayEvent,
    luckSecret: Buffer,
    private readonly admission: ShakeAdmission,
  ) {
    const { snapshot } = current;
    this.luckKey = luckKeyOf(luckSecret, snapshot.id);
    this.stock = new EventStock(snapshot, this.rate);
    this.turns = new EventTurns(snapshot);
  }

  get event(): GatewayEvent {
    return this.current;
  }

  /** Takes a newer snapshot of the same event. */
  update(event: GatewayEvent): void {
    if (event === this.current) return;
    this.current = event;
    this.turns.update(event.snapshot);
    this.stock.update(event.snapshot);
  }

  /** Everything that is done off the hot path, each tick. */
  tick(nowMs: number): void {
    this.rate.tick(nowMs);
    this.stock.tune(nowMs);
    this.wins.sweep(nowMs);
    const { pace } = this.admission;
    this.turns.tick(nowMs, this.admission.stretch(this.current.snapshot.shakeIntervalMs), pace.isBehind);
  }

  /** True while it is open and shaken: else there is nothing to tell and nothing to take, and idle gateways hold nothing back. */
  isShaken(nowMs: number): boolean {
    const { startsAtMs, endsAtMs, state } = this.current.snapshot;
    const isOpen = state === 'armed' || state === 'live';
    return this.rate.isShaken && isOpen && nowMs >= startsAtMs && nowMs < endsAtMs;
  }
}
