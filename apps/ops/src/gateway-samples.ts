import { z } from 'zod';
import { type GatewaySample, keys, type RedisClient } from '#libs/redis';
import type { Logger } from '#libs/runtime';

/** However many are bad and however long: one line in this time. */
const logIntervalMs = 60_000;

const sampleSchema = z.record(z.string(), z.unknown());

export interface GatewaySamplesParts {
  readonly redis: RedisClient;
  readonly log: Logger;
  readonly monotonicMs: () => number;
}

/** The samples that gateways leave in Redis, each read by itself: one that cannot be read hides no other. */
export class GatewaySamples {
  /** Samples that were passed over since the start, each time they were met. */
  passedOver = 0;
  private logAgainAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: GatewaySamplesParts) {}

  /** The gateways that gave a readable sample lately, by id. @throws the client's error while Redis is away. */
  async list(): Promise<GatewaySample[]> {
    const { redis } = this.parts;
    const ids = (await redis.smembers(keys.gateways)).sort();
    const texts = await Promise.all(ids.map((id) => redis.get(keys.gateway(id))));
    const gone = ids.filter((_, at) => texts[at] === null);
    // a gateway that wrote in between is listed again with its next sample
    if (gone.length > 0) await redis.srem(keys.gateways, ...gone);
    return ids.flatMap((id, at) => {
      const text = texts[at];
      return text == null ? [] : this.read(id, text);
    });
  }

  private read(id: string, text: string): GatewaySample[] {
    const { success, data } = sampleSchema.safeParse(jsonOf(text));
    if (success) return [{ id, sample: data }];
    this.passedOver += 1;
    this.tell(id);
    return [];
  }

  private tell(gatewayId: string): void {
    const nowMs = this.parts.monotonicMs();
    if (nowMs < this.logAgainAtMs) return;
    this.logAgainAtMs = nowMs + logIntervalMs;
    this.parts.log.warn(
      { gatewayId, passedOver: this.passedOver },
      'a sample of a gateway cannot be read: passed over',
    );
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // no sample, as what is JSON but no object
    return undefined;
  }
}
