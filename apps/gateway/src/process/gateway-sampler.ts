import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { GatewayFigures } from '#libs/redis';
import type { Logger } from '#libs/runtime';
import type { GatewayParts } from '../gateway-parts.ts';

export const sampleIntervalMs = 1000;
/** A sample of a gateway that stopped is gone after this. */
const sampleTtlMs = 5000;
const loopDelayResolutionMs = 10;

/** Where figures go; display only, so what cannot be written is dropped. */
export type FiguresSink = (figures: Omit<GatewayFigures, 'id'>) => Promise<void>;

/** Each second, in one command: what this gateway issued, and a sample for operations. */
export class GatewaySampler {
  private readonly loopDelay = monitorEventLoopDelay({ resolution: loopDelayResolutionMs });
  private writing: Promise<void> | undefined;
  private isFailing = false;

  constructor(
    private readonly parts: GatewayParts,
    private readonly sink: FiguresSink,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.loopDelay.enable();
  }

  /** To be called each `sampleIntervalMs`. */
  tick(): void {
    void this.write();
  }

  /** Writes the last figures and ends. */
  async stop(): Promise<void> {
    await this.write();
    this.loopDelay.disable();
  }

  /** One write at a time: a slow store must not pile them up. */
  private write(): Promise<void> {
    this.writing ??= this.writeOnce().finally(() => {
      this.writing = undefined;
    });
    return this.writing;
  }

  private async writeOnce(): Promise<void> {
    const issued = this.parts.shakeCounters.takeIssued();
    try {
      await this.sink({ sample: this.sample(), sampleTtlMs, issued });
      this.isFailing = false;
    } catch (err) {
      if (!this.isFailing) this.logger.warn({ err }, 'figures cannot be written: they are dropped');
      this.isFailing = true;
    }
  }

  /** Running totals and the state of this moment; whoever reads two samples knows the rates. */
  private sample(): Record<string, unknown> {
    const { config, gatewayId, time, degradation, shakeCounters, openCounters, gate, shakeEvents, sessions, producer } =
      this.parts;
    const loopDelayMs = Math.max(0, this.loopDelay.percentile(99) / 1e6 - loopDelayResolutionMs);
    this.loopDelay.reset();
    return {
      id: gatewayId,
      role: config.GATEWAY_ROLE,
      atMs: time.approxMs(),
      tier: degradation.tier(),
      shakes: { ...shakeCounters.results },
      shakesRefused: shakeCounters.refused,
      shakersCutOff: shakeCounters.closedEarly,
      opens: { ...openCounters.results, shed: gate.refused.open },
      opensInFlight: openCounters.inFlight,
      lanes: producer.load(),
      sessionsCached: sessions.cachedCount,
      loopDelayMs: Math.round(loopDelayMs * 10) / 10,
      pace: this.parts.pace.sample(),
      admissionLevel: this.parts.local.level,
      admissionSinceMs: this.parts.admissionKeeper.sinceMs,
      events: [...shakeEvents.list()].map(({ event, stock, rate }) => ({
        id: event.idText,
        shakesPerSecond: Math.round(rate.perSecond),
        chance: Math.min(stock.chanceOfAny, 1),
        indexesInHand: stock.left,
        blocksInHand: stock.blockCount,
      })),
    };
  }
}
