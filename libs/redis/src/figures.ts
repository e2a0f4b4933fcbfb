import { keys } from './keys.ts';
import type { RedisClient } from './redis-client.ts';

/** Figures for display: they may be lost or counted twice, and nothing is decided by them. */

/** Adds packets issued per pool. @throws the client's error while Redis is away: drop the counts. */
export async function addIssued(client: RedisClient, counts: ReadonlyMap<number, number>): Promise<void> {
  const pools = [...counts].filter(([, count]) => count !== 0);
  await Promise.all(pools.map(([poolId, count]) => client.hincrby(keys.issued, String(poolId), count)));
}

/** Packets issued, by pool id. @throws the client's error while Redis is away. */
export async function readIssued(client: RedisClient): Promise<Map<number, number>> {
  const counts = await client.hgetall(keys.issued);
  return new Map(Object.entries(counts).map(([poolId, count]) => [Number(poolId), Number(count)]));
}

export interface GatewaySample {
  readonly id: string;
  readonly sample: Record<string, unknown>;
}

/** Replaces the sample of a gateway; it is gone after `ttlMs`. @throws the client's error while Redis is away. */
export async function putGatewaySample(
  client: RedisClient,
  id: string,
  sample: Record<string, unknown>,
  ttlMs: number,
): Promise<void> {
  const written = client.set(keys.gateway(id), JSON.stringify(sample), 'PX', ttlMs);
  await Promise.all([written, client.sadd(keys.gateways, id)]);
}

/** The gateways that gave a sample lately, by id. @throws the client's error while Redis is away. */
export async function listGatewaySamples(client: RedisClient): Promise<GatewaySample[]> {
  const ids = (await client.smembers(keys.gateways)).sort();
  const texts = await Promise.all(ids.map((id) => client.get(keys.gateway(id))));
  const gone = ids.filter((_, at) => texts[at] === null);
  // A gateway that wrote in between is listed again with its next sample.
  if (gone.length > 0) await client.srem(keys.gateways, ...gone);
  return ids.flatMap((id, at) => {
    const text = texts[at];
    return text == null ? [] : [{ id, sample: JSON.parse(text) as Record<string, unknown> }];
  });
}
