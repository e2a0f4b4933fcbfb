import { type GatewaySample, listGatewaySamples, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';

/** However many are bad and however long: one line in this time. */
const logIntervalMs = 60_000;

export interface GatewaySamplesParts {
  readonly redis: RedisClient;
  readonly log: Logger;
  readonly monotonicMs: () => number;
}

/** The samples that gateways leave in Redis; those that cannot be read are counted, and told of now and then. */
export class GatewaySamples {
  /** Samples that were passed over since the start, each time they were met. */
  passedOver = 0;
  private logAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: GatewaySamplesParts) {}

  /** The gateways that gave a readable sample lately, by id. @throws the client's error while Redis is away. */
  list(): Promise<GatewaySample[]> {
    return listGatewaySamples(this.parts.redis, (id) => this.passOver(id));
  }

  private passOver(gatewayId: string): void {
    this.passedOver += 1;
    const nowMs = this.parts.monotonicMs();
    if (nowMs < this.logAgainAtMs) return;
    this.logAgainAtMs = nowMs + logIntervalMs;
    this.parts.log.warn(
      { gatewayId, passedOver: this.passedOver },
      'a sample of a gateway cannot be read: passed over',
    );
  }
}
