import { type DegradationState, degradationStateSchema } from '#libs/contracts';
import type { ChannelSubscriber, Unsubscribe } from './channel-subscriber.ts';
import { keys } from './keys.ts';
import { runScript } from './lua-script.ts';
import type { RedisClient } from './redis-client.ts';
import { writeDegradationScript } from './write-degradation.lua.ts';

export type WrittenDegradation = { readonly status: 'ok' } | { readonly status: 'stale'; readonly version: number };

/** The document in the store; `undefined` when there is none. @throws the client's error while Redis is away. */
export async function readDegradation(client: RedisClient): Promise<DegradationState | undefined> {
  const text = await client.hget(keys.degradation, 'document');
  return text === null ? undefined : degradationStateSchema.parse(JSON.parse(text));
}

/**
 * Writes and tells a document whose version is higher than the one there.
 * @throws the client's error while Redis is away: writing it again is harmless (then `stale` may mean that it is there).
 */
export async function writeDegradation(client: RedisClient, state: DegradationState): Promise<WrittenDegradation> {
  const args = [state.version, JSON.stringify(state), keys.degradationChanged];
  const [done, version] = (await runScript(client, writeDegradationScript, [keys.degradation], args)) as number[];
  return done === 1 ? { status: 'ok' } : { status: 'stale', version: version! };
}

/** Hears each new document; messages are lossy, so read it now and then as well. */
export function subscribeDegradation(
  channels: ChannelSubscriber,
  listener: (state: DegradationState) => void,
): Unsubscribe {
  return channels.subscribe(keys.degradationChanged, (message) =>
    listener(degradationStateSchema.parse(JSON.parse(message))),
  );
}
