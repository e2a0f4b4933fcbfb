import { setMaxListeners } from 'node:events';
import { deviceClock, type FetchLike, HongbaoClient, HongbaoOps, HongbaoProblemError } from '#libs/client';
import { Journal } from './journal.ts';
import type { Meters } from './meters.ts';
import { type Night, planNight } from './night-plan.ts';
import type { RehearsalOptions } from './options.ts';
import { insist } from './patience.ts';
import type { Scene } from './scene.ts';
import type { Target } from './target.ts';
import { Tasks } from './tasks.ts';

/** An armed event becomes known to the gateways within a second or so. */
const knownMaxMs = 20_000;
const knownPauseMs = 100;
/** Each gateway reads the events for itself, once a second: when one knows it, the others do after this. */
const knownByAllMs = 1500;

export interface Stage {
  readonly scene: Scene;
  readonly night: Night;
  readonly ops: HongbaoOps;
  readonly crowdSize: number;
  /** Ends whatever has no outcome yet. */
  readonly breakOff: () => void;
}

/** Creates and arms the night's event and waits until the gateways know it. */
export async function setStage(
  options: RehearsalOptions,
  target: Target,
  meters: Meters,
  fetch: FetchLike,
  signal: AbortSignal,
): Promise<Stage> {
  const ops = new HongbaoOps({ baseUrl: target.opsUrl, token: target.opsToken });
  const night = planNight({ ...options, nowMs: Date.now() });
  const { id: eventId } = await ops.createEvent(night.plan);
  await insist(() => ops.arm(eventId, 'rehearsal'));
  const breaking = new AbortController();
  // Every user's calls listen to it: thousands are no leak.
  setMaxListeners(0, breaking.signal);
  signal.addEventListener('abort', () => breaking.abort(), { once: true });
  const scene: Scene = {
    eventId,
    times: night,
    seed: options.seed,
    userPrefix: `r${eventId}-${night.startMs.toString(36)}`,
    gatewayUrl: target.gatewayUrl,
    fetch,
    meters,
    journal: new Journal(),
    tasks: new Tasks(meters),
    serverOffsetMs: await awaitEvent(target.gatewayUrl, fetch, eventId),
    signal: breaking.signal,
  };
  return { scene, night, ops, crowdSize: options.users, breakOff: () => breaking.abort() };
}

/** Resolves when the gateways know the event, with what its clock is ahead of this machine's, in milliseconds. */
async function awaitEvent(gatewayUrl: string, fetch: FetchLike, eventId: string): Promise<number> {
  const probe = new HongbaoClient({ baseUrl: gatewayUrl, fetch });
  const giveUpAtMs = Date.now() + knownMaxMs;
  for (;;) {
    try {
      await probe.event(eventId);
      await deviceClock.sleep(knownByAllMs);
      return probe.serverNowMs() - Date.now();
    } catch (error) {
      const isUnknown = error instanceof HongbaoProblemError && error.code === 'event_unknown';
      if (!isUnknown || Date.now() > giveUpAtMs) throw error;
      await deviceClock.sleep(knownPauseMs);
    }
  }
}
