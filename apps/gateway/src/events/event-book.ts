import type { EventSnapshot } from '#libs/contracts';
import type { Logger } from '#libs/runtime';
import { type GatewayEvent, gatewayEventOf } from './gateway-event.ts';

/** Changes are told; one that was missed is read within this. */
const pollIntervalMs = 5000;
/** An event that is no longer listed is kept so long: a store that came back empty is filled again well within it. */
const missingKeptMs = 60_000;

export interface EventSource {
  read(): Promise<readonly EventSnapshot[]>;
}

/** The published events, read when they change and every few seconds; what was read last is kept while the store is away. */
export class EventBook {
  private events = new Map<number, GatewayEvent>();
  private byText = new Map<string, GatewayEvent>();
  private readonly missingSinceMs = new Map<number, number>();
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;
  private loaded = false;
  private isAway = false;

  constructor(
    private readonly source: EventSource,
    private readonly logger: Logger,
  ) {}

  /** True once the events were read: before that, an unknown event says nothing. */
  get isLoaded(): boolean {
    return this.loaded;
  }

  list(): Iterable<GatewayEvent> {
    return this.events.values();
  }

  find(id: number): GatewayEvent | undefined {
    return this.events.get(id);
  }

  /** By the id as it stands in addresses. */
  findByText(idText: string): GatewayEvent | undefined {
    return this.byText.get(idText);
  }

  /** Begins to read; resolves after the first try and never rejects. */
  async start(): Promise<void> {
    this.timer = setInterval(() => void this.poll(), pollIntervalMs);
    await this.poll();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.polling;
  }

  /** Reads once, or joins the read under way. */
  poll(): Promise<void> {
    this.polling ??= this.read().finally(() => {
      this.polling = undefined;
    });
    return this.polling;
  }

  private async read(): Promise<void> {
    try {
      this.take(await this.source.read(), Date.now());
      this.loaded = true;
      this.tell(false);
    } catch (err) {
      this.tell(true, err);
    }
  }

  private take(snapshots: readonly EventSnapshot[], nowMs: number): void {
    const next = new Map<number, GatewayEvent>();
    for (const snapshot of snapshots) {
      const known = this.events.get(snapshot.id);
      next.set(snapshot.id, known?.snapshot === snapshot ? known : gatewayEventOf(snapshot));
      this.missingSinceMs.delete(snapshot.id);
    }
    for (const [id, event] of this.events) {
      if (next.has(id)) continue;
      const sinceMs = this.missingSinceMs.get(id) ?? nowMs;
      this.missingSinceMs.set(id, sinceMs);
      if (nowMs - sinceMs < missingKeptMs) next.set(id, event);
      else this.missingSinceMs.delete(id);
    }
    this.events = next;
    this.byText = new Map([...next.values()].map((event) => [event.idText, event]));
  }

  private tell(isAway: boolean, err?: unknown): void {
    if (this.isAway === isAway) return;
    this.isAway = isAway;
    if (isAway) this.logger.warn({ err }, 'events cannot be read: the last ones known are used');
    else this.logger.info({}, 'events are read again');
  }
}
