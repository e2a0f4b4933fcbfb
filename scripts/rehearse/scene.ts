import { type ClientLimits, deviceClock, type FetchLike, HongbaoClient } from '#libs/client';
import type { Journal } from './journal.ts';
import type { Meters } from './meters.ts';
import type { NightTimes } from './night-plan.ts';
import type { Random } from './random.ts';
import type { Tasks } from './tasks.ts';

/** What all users of the night share. */
export interface Scene {
  readonly eventId: string;
  readonly times: NightTimes;
  readonly seed: number;
  /** Distinguishes this night's users from those of earlier ones on the same system. */
  readonly userPrefix: string;
  readonly gatewayUrl: string;
  readonly fetch: FetchLike;
  readonly meters: Meters;
  readonly journal: Journal;
  readonly tasks: Tasks;
  /** What the server's clock is ahead of this machine's. */
  readonly serverOffsetMs: number;
  /** Aborted when the night is broken off or something does not settle in time. */
  readonly signal: AbortSignal;
}

/** The scene's own signal ends what does not settle; the SDK need not give up before. */
const limits: Partial<ClientLimits> = { settleMaxMs: 3_600_000 };

export function newClient(scene: Scene, random: Random, who: { userId: string } | { token: string }): HongbaoClient {
  const { gatewayUrl: baseUrl, fetch } = scene;
  return new HongbaoClient({ baseUrl, fetch, random: () => random.next(), limits, ...who });
}

/** The server's time, milliseconds since the epoch: all instants of the night are meant by it. */
export function serverNowMs(scene: Pick<Scene, 'serverOffsetMs'>): number {
  return Date.now() + scene.serverOffsetMs;
}

/** Waits until an instant of the night, at most until it is broken off. */
export function sleepUntil(scene: Scene, atMs: number, signal: AbortSignal): Promise<void> {
  return deviceClock.sleep(atMs - serverNowMs(scene), signal);
}

/** The scene's signal for one user: adding a listener to a signal takes time by the listeners it has, and all share the scene's. */
export function ownSignal(scene: Scene): AbortSignal {
  return AbortSignal.any([scene.signal]);
}
