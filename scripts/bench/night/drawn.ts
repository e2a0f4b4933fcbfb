import { z } from 'zod';
import { listGatewaySamples, type RedisClient } from '#libs/redis';

const sampleSchema = z.object({ events: z.array(z.object({ shakesPerSecond: z.number() })) });

/**
 * Shakes per second that a gateway draws, in the last second of which it told: one for each user and turn. Shakes that are repeated in a
 * turn get their answer again and are not among them.
 */
export async function drawnPerSecond(client: RedisClient, gatewayId: string): Promise<number> {
  const found = (await listGatewaySamples(client)).find(({ id }) => id === gatewayId);
  if (found === undefined) throw new Error(`the gateway ${gatewayId} tells nothing of itself`);
  return sampleSchema.parse(found.sample).events.reduce((sum, { shakesPerSecond }) => sum + shakesPerSecond, 0);
}
