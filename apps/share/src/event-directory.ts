import type { EventSnapshot } from '#libs/contracts';
import type { EventReader } from '#libs/redis';
import { type Logger, ProblemError } from '#libs/runtime';

const pollIntervalMs = 1000;

/** The events that Redis names, read each second; the last ones known are kept while it is away. */
export class EventDirectory {
  private events: ReadonlyMap<number, EventSnapshot> = new Map();
  private wasRead = false;
  private isReachable = true;
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> | undefined;

  constructor(
    private readonly reader: Pick<EventReader, 'read'>,
    private readonly log: Logger,
  ) {}

  find(eventId: number): EventSnapshot | undefined {
    return this.events.get(eventId);
  }

  /** True when the events were read at least once. */
  isKnown(): boolean {
    return this.wasRead;
  }

  /** @throws ProblemError `event_unknown`, or `dependency_unavailable` when no events could be read yet. */
  require(eventId: number): EventSnapshot {
    const event = this.events.get(eventId);
    if (event !== undefined) return event;
    throw this.wasRead
      ? new ProblemError('event_unknown')
      : new ProblemError('dependency_unavailable', 'the events are not known yet');
  }

  async start(): Promise<void> {
    this.timer = setInterval(() => void this.poll(), pollIntervalMs);
    this.timer.unref();
    await this.poll();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.polling;
  }

  /** Reads once, or joins the read under way. Never rejects. */
  poll(): Promise<void> {
    this.polling ??= this.pollOnce().finally(() => {
      this.polling = undefined;
    });
    return this.polling;
  }

  private async pollOnce(): Promise<void> {
    try {
      this.events = new Map((await this.reader.read()).map((event) => [event.id, event]));
      this.wasRead = true;
      this.tell(true);
    } catch (cause) {
      this.tell(false, cause);
    }
  }

  private tell(isReachable: boolean, cause?: unknown): void {
    if (this.isReachable === isReachable) return;
    this.isReachable = isReachable;
    if (isReachable) this.log.info({}, 'events are read again');
    else this.log.warn({ err: cause }, 'events cannot be read; the last known ones are kept');
  }
}
