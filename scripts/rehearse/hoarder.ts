import { setMaxListeners } from 'node:events';
import { deviceClock, type HongbaoClient, type OpenOutcome, type ShakeHit } from '#libs/client';
import { insist } from './patience.ts';
import { randomOf } from './random.ts';
import { newClient, ownSignal, type Scene, serverNowMs } from './scene.ts';
import { openMeasured } from './virtual-user.ts';

/** Tickets that are collected before all are opened at the same instant. */
const ticketsMax = 9;
/** Part of the tickets' life after which the first one must be opened. */
const patience = 0.5;

/**
 * A user who cheats: forgets the signed state after each win (as if on another phone), so that the gateway cannot know of the
 * limits, and opens all tickets at the same instant, in several lanes. The database alone holds the limits (invariant 5).
 */
export async function hoard(scene: Scene, userId: string): Promise<void> {
  const random = randomOf(scene.seed, userId);
  const signal = ownSignal(scene);
  const { token } = await insist(() => newClient(scene, random, { userId }).createSession(), signal);
  scene.meters.counters.add('users.joined');
  while (!signal.aborted) {
    const { hits, isOver } = await collect(scene, userId, token);
    const opens = hits.map(({ ticket }) => openMeasured(scene, newClient(scene, random, { token }), ticket, signal));
    const outcomes = await Promise.all(opens);
    scene.meters.counters.add('tickets.opened together', hits.length);
    if (isOver || hasEnough(outcomes)) return;
  }
}

/** One win per client, each without the state of the others, until there are enough or the oldest grows old. */
async function collect(scene: Scene, userId: string, token: string): Promise<{ hits: ShakeHit[]; isOver: boolean }> {
  const { times, journal } = scene;
  const random = randomOf(scene.seed, `${userId}/shakes`);
  const hits = new Map<string, ShakeHit>();
  let growsOldAtMs = Number.POSITIVE_INFINITY;
  while (hits.size < ticketsMax && serverNowMs(scene) < growsOldAtMs) {
    const untilMs = Math.min(growsOldAtMs, times.endMs);
    const hit = await winOnce(scene, newClient(scene, random, { token }), untilMs);
    if (!hit) return { hits: [...hits.values()], isOver: serverNowMs(scene) < growsOldAtMs };
    // The same shake repeated is answered with the same ticket.
    if (!hits.has(hit.ticket)) journal.hit(userId, hit, serverNowMs(scene));
    hits.set(hit.ticket, hit);
    growsOldAtMs = Math.min(growsOldAtMs, serverNowMs(scene) + times.ticketTtlMs * patience);
    await deviceClock.sleep(hit.nextShakeMs, scene.signal);
  }
  return { hits: [...hits.values()], isOver: false };
}

/** The next win of a fresh client; undefined when the event is over, the limit is reached, or `untilMs` has come. */
async function winOnce(scene: Scene, client: HongbaoClient, untilMs: number): Promise<ShakeHit | undefined> {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // each call of its clients listens
  const end = (): void => stop.abort();
  const timer = setTimeout(end, untilMs - serverNowMs(scene));
  scene.signal.addEventListener('abort', end, { once: true });
  if (scene.signal.aborted) end();
  let won: ShakeHit | undefined;
  try {
    const onAnswer = ({ result }: { result: string }): void => scene.meters.counters.add(`shake.${result}`);
    const onHit = (hit: ShakeHit): void => {
      won = hit;
      end();
    };
    await insist(() => client.shakeLoop(scene.eventId, { signal: stop.signal, onAnswer, onHit }), stop.signal);
    return won;
  } finally {
    clearTimeout(timer);
    scene.signal.removeEventListener('abort', end);
  }
}

/** Refused for the limit: nothing more can be won. */
function hasEnough(outcomes: readonly OpenOutcome[]): boolean {
  return outcomes.some(({ outcome }) => outcome === 'limit');
}
