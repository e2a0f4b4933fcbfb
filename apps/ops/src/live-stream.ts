import { isoOf, type OpsSample } from '#libs/contracts';
import { effectiveTier, modeAt } from '#libs/degradation';
import { type EventReader, isRedisAway } from '#libs/redis';
import { EventStreams, type Logger, type StreamReply } from '#libs/runtime';
import type { DegradationKeeper } from './degradation-keeper.ts';
import type { GatewaySamples } from './gateway-samples.ts';
import type { Lanes } from './lanes.service.ts';

const sampleIntervalMs = 1000;
const streamsMax = 100;
const streamBufferBytesMax = 256 * 1024;
const heartbeatMs = 10_000;
const group = 'samples';

export interface LiveStreamParts {
  readonly samples: GatewaySamples;
  readonly events: Pick<EventReader, 'read'>;
  readonly lanes: Lanes;
  readonly degradation: DegradationKeeper;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** A sample of live figures each second, taken once for everybody who watches, and not at all when nobody does. */
export class LiveStream {
  private readonly streams = new EventStreams({
    connectionsMax: streamsMax,
    bufferBytesMax: streamBufferBytesMax,
    heartbeatMs,
  });
  private timer: NodeJS.Timeout | undefined;
  private sampling: Promise<void> | undefined;

  constructor(private readonly parts: LiveStreamParts) {}

  /** @throws ProblemError `overloaded` when too many watch. */
  open(reply: StreamReply): void {
    this.streams.open(reply, group);
    this.timer ??= setInterval(() => void this.tick(), sampleIntervalMs).unref();
    void this.tick();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.streams.close();
    await this.sampling;
  }

  /** The figures now; what Redis would tell is empty while it is away. */
  async sample(): Promise<OpsSample> {
    const { degradation, nowMs } = this.parts;
    const state = degradation.state();
    const atMs = nowMs();
    const figures = await this.figures();
    return { at: isoOf(atMs), tier: effectiveTier(state, atMs), mode: modeAt(state, atMs), ...figures };
  }

  private async figures(): Promise<Pick<OpsSample, 'lanes' | 'gateways' | 'events'>> {
    const { samples, lanes, events } = this.parts;
    try {
      const [laneViews, gateways, snapshots] = await Promise.all([lanes.read(), samples.list(), events.read()]);
      return {
        lanes: laneViews,
        gateways: gateways.map(({ id, sample }) => ({ ...sample, id })),
        events: snapshots.map(({ id, state, title }) => ({ id: String(id), state, title })),
      };
    } catch (error) {
      if (!isRedisAway(error)) throw error;
      return { lanes: [], gateways: [], events: [] };
    }
  }

  private tick(): Promise<void> {
    if (this.streams.size() === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      return Promise.resolve();
    }
    this.sampling ??= this.tell().finally(() => {
      this.sampling = undefined;
    });
    return this.sampling;
  }

  /** A sample that cannot be taken is left out: whoever watches sees the gap, the next one comes in a second. */
  private async tell(): Promise<void> {
    try {
      this.streams.send(group, await this.sample());
    } catch (error) {
      this.parts.log.warn({ err: error }, 'a sample could not be taken');
    }
  }
}
