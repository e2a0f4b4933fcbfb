import { setTimeout as delay } from 'node:timers/promises';
import { type RedisClient, writeDegradation } from '#libs/redis';

/** Gateways hear of a new state at once; who missed it reads it within a second. */
const knownAfterMs = 1200;
/** At this tier every shake gets `rest`. */
const restTier = 5;
let version = 0;

/** Runs `work` while every shake is answered with `rest`. */
export async function resting<T>(client: RedisClient, work: () => Promise<T>): Promise<T> {
  await hold(client, restTier);
  try {
    return await work();
  } finally {
    await hold(client, 0);
  }
}

async function hold(client: RedisClient, tier: 0 | typeof restTier): Promise<void> {
  const updatedAtMs = Date.now();
  version = Math.max(version + 1, updatedAtMs);
  await writeDegradation(client, { version, mode: 'pinned', tier, autoTier: 0, features: {}, updatedAtMs });
  await delay(knownAfterMs);
}
