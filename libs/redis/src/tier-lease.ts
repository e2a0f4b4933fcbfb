import { type DegradationState, type TierWatch, tierWatchSchema } from '#libs/contracts';
import { holdTierLeaseScript, releaseTierLeaseScript } from './hold-tier-lease.lua.ts';
import { keys } from './keys.ts';
import { runScript } from './lua-script.ts';
import type { RedisClient } from './redis-client.ts';
import { writeDegradationAsLeaderScript } from './write-degradation-as-leader.lua.ts';

/** `taken`: nobody held it. `kept`: it was ours. `other`: another one's, and what that one saw last. */
export type TierLease =
  | { readonly status: 'taken' | 'kept' }
  | { readonly status: 'other'; readonly holder: string; readonly watch: TierWatch | undefined };

export interface TierLeaseHold {
  readonly holderId: string;
  /** It ends by itself, by the store's clock, unless it is kept before. */
  readonly leaseMs: number;
  readonly watch?: TierWatch | undefined;
}

/** Takes or keeps the lease of the one process that sets the tier. @throws the client's error: it may or may not be held. */
export async function holdTierLease(
  client: RedisClient,
  { holderId, leaseMs, watch }: TierLeaseHold,
): Promise<TierLease> {
  const args = [holderId, leaseMs, watch === undefined ? '' : JSON.stringify(watch)];
  const reply = await runScript(client, holdTierLeaseScript, [keys.tierLeader, keys.tierWatch], args);
  const [done, holder, seen] = reply as [number, string?, (string | null)?];
  if (done !== 0) return { status: done === 1 ? 'taken' : 'kept' };
  return {
    status: 'other',
    holder: holder!,
    watch: seen == null ? undefined : tierWatchSchema.parse(JSON.parse(seen)),
  };
}

/** Gives the lease back before its end; nothing when it is not ours. @throws the client's error. */
export async function releaseTierLease(client: RedisClient, holderId: string): Promise<void> {
  await runScript(client, releaseTierLeaseScript, [keys.tierLeader, keys.tierWatch], [holderId]);
}

/** `not_leader`: the lease is another's or nobody's. */
export type WrittenByLeader = 'ok' | 'stale' | 'not_leader';

/**
 * Writes and tells a document whose version is higher than the one there, if `holderId` holds the lease at that moment.
 * @throws the client's error: it may or may not be written.
 */
export async function writeDegradationAsLeader(
  client: RedisClient,
  holderId: string,
  state: DegradationState,
): Promise<WrittenByLeader> {
  const args = [state.version, JSON.stringify(state), keys.degradationChanged, holderId];
  const written = [keys.degradation, keys.tierLeader];
  const [done] = (await runScript(client, writeDegradationAsLeaderScript, written, args)) as [number];
  if (done === 1) return 'ok';
  return done === 0 ? 'stale' : 'not_leader';
}
