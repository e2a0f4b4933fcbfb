import { z } from 'zod';
import { jsonOf } from './json-of.ts';
import { keys } from './keys.ts';
import { runScript } from './lua-script.ts';
import type { RedisClient } from './redis-client.ts';
import { writeFiguresScript } from './write-figures.lua.ts';

/** Figures for display: they may be lost or counted twice, and nothing is decided by them. */

/** Packets issued, by pool id. @throws the client's error while Redis is away. */
export async function readIssued(client: RedisClient): Promise<Map<number, number>> {
  const counts = await client.hgetall(keys.issued);
  return new Map(Object.entries(counts).map(([poolId, count]) => [Number(poolId), Number(count)]));
}

export interface GatewaySample {
  readonly id: string;
  readonly sample: Record<string, unknown>;
}

export interface GatewayFigures {
  readonly id: string;
  readonly sample: Record<string, unknown>;
  readonly sampleTtlMs: number;
  /** Packets issued per pool since the last call. */
  readonly issued?: ReadonlyMap<number, number>;
}

/**
 * Replaces the sample of a gateway, which is gone after `sampleTtlMs`, and adds what it issued: one command.
 * @throws the client's error while Redis is away: drop the figures.
 */
export async function writeFigures(client: RedisClient, figures: GatewayFigures): Promise<void> {
  const { id, sample, sampleTtlMs, issued = new Map<number, number>() } = figures;
  const pairs = [...issued].filter(([, count]) => count !== 0).flat();
  const written = [keys.issued, keys.gateway(id), keys.gateways];
  await runScript(client, writeFiguresScript, written, [id, JSON.stringify(sample), sampleTtlMs, ...pairs]);
}

const sampleSchema = z.record(z.string(), z.unknown());

/**
 * The gateways that gave a sample lately, by id. Each is read by itself: one that cannot be read hides no other, and is told of.
 * @throws the client's error while Redis is away.
 */
export async function listGatewaySamples(
  client: RedisClient,
  onUnreadable: (gatewayId: string) => void = () => undefined,
): Promise<GatewaySample[]> {
  const ids = (await client.smembers(keys.gateways)).sort();
  const texts = await Promise.all(ids.map((id) => client.get(keys.gateway(id))));
  const gone = ids.filter((_, at) => texts[at] === null);
  // A gateway that wrote in between is listed again with its next sample.
  if (gone.length > 0) await client.srem(keys.gateways, ...gone);
  return ids.flatMap((id, at) => {
    const text = texts[at];
    if (text == null) return [];
    const { success, data } = sampleSchema.safeParse(jsonOf(text));
    if (success) return [{ id, sample: data }];
    onUnreadable(id);
    return [];
  });
}
