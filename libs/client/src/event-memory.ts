import { ShakeStates } from './shake-states.ts';

/** What a client remembers of one event: its signed states and when its unopened wins expire. */
export interface EventMemory {
  readonly states: ShakeStates;
  /** packet id → when its place is free again if it is not opened, server-time milliseconds */
  readonly wins: Map<string, number>;
}

/** The gateway's clock and this device's idea of it may differ by this much. */
const clockMarginMs = 1000;

/** Notes a win; bounded by the limits of the event, which the gateway reads from the signed state. */
export function rememberWin(memory: EventMemory, packetId: string, expiresAt: string): void {
  memory.wins.set(packetId, Date.parse(expiresAt) + clockMarginMs);
}

/** Bounded by events; the one unused for longest goes. */
export class EventMemories {
  private readonly byEvent = new Map<string, EventMemory>();

  constructor(private readonly eventsMax: number) {}

  of(eventId: string): EventMemory {
    const memory = this.byEvent.get(eventId) ?? { states: new ShakeStates(), wins: new Map<string, number>() };
    this.byEvent.delete(eventId);
    this.byEvent.set(eventId, memory);
    if (this.byEvent.size > this.eventsMax) {
      const [oldest] = this.byEvent.keys();
      if (oldest !== undefined) this.byEvent.delete(oldest);
    }
    return memory;
  }
}

/** Earliest expiry of the wins that are still unopened; wins past their expiry are forgotten. */
export function firstExpiryMs(memory: EventMemory, serverNowMs: number): number | undefined {
  let first: number | undefined;
  for (const [packetId, expiresAtMs] of memory.wins) {
    if (expiresAtMs < serverNowMs) memory.wins.delete(packetId);
    else if (first === undefined || expiresAtMs < first) first = expiresAtMs;
  }
  return first;
}
