import { type FeedEntry, type FeedItem, isoOf } from '#libs/contracts';
import type { DegradationHolder } from '#libs/degradation';
import { EventStreams, ProblemError, type StreamReply } from '#libs/runtime';
import type { EventDirectory } from './event-directory.ts';

const streamsMax = 2000;
/** About 400 entries; a reader that is further behind is dropped. */
const streamBufferBytesMax = 64 * 1024;
const heartbeatMs = 10_000;
/** More than this in a second nobody can read: the rest is left out. */
const entriesPerSecondMax = 50;

/** The live feed: each event's opens and grabs, as they are told, to everybody who listens. Lossy by design. */
export class Feed {
  private readonly streams = new EventStreams({
    connectionsMax: streamsMax,
    bufferBytesMax: streamBufferBytesMax,
    heartbeatMs,
  });
  private readonly sentThisSecond = new Map<number, number>();
  private second = 0;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly parts: {
      readonly events: EventDirectory;
      readonly features: DegradationHolder;
      /** Monotonic milliseconds. */
      readonly monotonicMs: () => number;
    },
  ) {
    this.unsubscribe = parts.features.onChange(({ modes }) => {
      if (modes.feed === 'off') this.streams.endAll();
    });
  }

  /** @throws ProblemError `feature_off`, `event_unknown`, `dependency_unavailable`, `overloaded`. */
  open(eventId: number, reply: StreamReply): void {
    if (!this.parts.features.isOn('feed')) throw new ProblemError('feature_off');
    this.parts.events.require(eventId);
    this.streams.open(reply, String(eventId));
  }

  /** Streams open now. */
  size(): number {
    return this.streams.size();
  }

  hear(entries: readonly FeedEntry[]): void {
    for (const entry of entries) {
      const group = String(entry.eventId);
      if (this.streams.size(group) > 0 && this.mayTell(entry.eventId)) this.streams.send(group, this.itemOf(entry));
    }
  }

  /** Ends all streams: they would keep the server from closing. */
  close(): void {
    this.unsubscribe();
    this.streams.close();
  }

  private mayTell(eventId: number): boolean {
    const second = Math.floor(this.parts.monotonicMs() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.sentThisSecond.clear();
    }
    const sent = this.sentThisSecond.get(eventId) ?? 0;
    this.sentThisSecond.set(eventId, sent + 1);
    return sent < entriesPerSecondMax;
  }

  private itemOf({ kind, eventId, userId, sponsorNo, amountFen, atMs }: FeedEntry): FeedItem {
    const sponsor = this.parts.events.find(eventId)?.sponsors.find(({ no }) => no === sponsorNo);
    return { kind, userId, sponsorId: sponsor?.id ?? '', amountFen, at: isoOf(atMs) };
  }
}
