import { type Random, randomOf } from '../rehearse/random.ts';
import {
  allocationNames,
  type CrowdShape,
  type EventShape,
  type Fault,
  gatewayNames,
  linkNames,
  losesStore,
  type RoundPlan,
  serverNames,
  serviceNames,
} from './round-plan.ts';

/** Faults of one round. */
const faultsMin = 1;
const faultsMax = 5;
/** The first moment of a fault, and how long after the end of the event the last one may begin. */
const faultFromMs = 150;
const faultAfterEndMs = 900;
const pastLockMs = 5500;

/** The plan of a random round: nothing but the seed and the number decides it. */
export function planRandomRound(seed: number, round: number): RoundPlan {
  const random = randomOf(seed, `random round ${round}`);
  const event = randomEvent(random);
  const faults = Array.from({ length: random.integer(faultsMin, faultsMax) }, () => randomFault(random, event));
  faults.sort((a, b) => a.atMs - b.atMs);
  const crowd = { ...randomCrowd(random), pollsPerReopen: pollsOf(random, losesStore({ faults })) };
  return { version: 1, name: 'random', seed, round, event, crowd, faults };
}

export function randomEvent(random: Random): EventShape {
  const durationMs = random.integer(3500, 5200);
  return {
    durationMs,
    waveMs: Math.round(durationMs * (0.5 + 0.45 * random.next())),
    ticketTtlMs: random.integer(1000, 2200),
    blockLifeMs: random.integer(500, 1000),
    shakeIntervalMs: random.integer(150, 300),
    perUserMax: random.integer(2, 5),
    reissue: random.chance(0.8) ? 'event' : random.chance(0.5) ? 'wave' : 'never',
    sharesLastMs: random.integer(600, 1600),
    pools: Array.from({ length: random.integer(3, 6) }, () => ({
      packetCount: random.integer(30, 300),
      meanFen: random.integer(20, 500),
      sharePortions: random.chance(0.8) ? random.integer(1, 4) : 0,
      releaseCurve: random.pick(['even', 'front', 'back', 'burst'] as const) ?? 'even',
    })),
  };
}

export function randomCrowd(random: Random): CrowdShape {
  const part = (from: number, to: number): number => Math.round((from + (to - from) * random.next()) * 100) / 100;
  return {
    users: random.integer(60, 110),
    withTwoPhones: part(0.3, 0.8),
    repeats: part(0.05, 0.2),
    brokenOff: part(0.03, 0.12),
    neverOpened: part(0.05, 0.2),
    sharedUnopened: part(0.05, 0.2),
    shared: part(0.3, 0.6),
    friendsMax: random.integer(2, 6),
    openedLate: part(0.05, 0.2),
    pollsPerReopen: pollsOf(random, true),
    openTogetherMs: random.chance(0.3) ? random.integer(200, 700) : 0,
  };
}

/** Where jobs may be lost, nobody waits for long before the next try. */
function pollsOf(random: Random, isOften: boolean): number {
  return isOften || random.chance(0.5) ? 3 : 20;
}

type Maker = (random: Random, atMs: number) => Fault;

/** Each kind of accident with its weight. */
const makers: readonly (readonly [weight: number, make: Maker])[] = [
  [6, killService],
  [3, killServer],
  [6, stopService],
  [2, (random, atMs) => ({ kind: 'stop', target: anyOf(random, serverNames), atMs, forMs: random.integer(100, 2500) })],
  [3, (random, atMs) => ({ kind: 'restart', target: anyOf(random, [...serviceNames, ...serverNames]), atMs })],
  [4, (random, atMs) => ({ kind: 'cut', link: anyOf(random, linkNames), atMs, forMs: briefly(random, 1500) })],
  [4, slowLink],
  [6, dropOnLink],
  [2, mirrorClients],
  [2, shiftClock],
  [2, (random, atMs) => ({ kind: 'wipe', what: anyOf(random, ['stock', 'stamp'] as const), atMs })],
  [1, (_, atMs) => ({ kind: 'wipe', what: 'everything', atMs })],
  [1, rewindRedis],
  [3, (random, atMs) => ({ kind: 'jobs-again', atMs, forMs: 1500, laterMs: random.integer(0, 2500) })],
  [1, (random, atMs) => ({ kind: 'tier', tier: random.integer(2, 4), atMs, forMs: random.integer(500, 2500) })],
  [1, (_, atMs) => ({ kind: 'settle', atMs })],
  [2, (random, atMs) => ({ kind: 'replies-again', atMs, forMs: random.integer(500, 2500) })],
];

function randomFault(random: Random, event: EventShape): Fault {
  const atMs = random.integer(faultFromMs, event.durationMs + faultAfterEndMs);
  let point = random.next() * makers.reduce((sum, [weight]) => sum + weight, 0);
  const chosen = makers.find(([weight]) => {
    point -= weight;
    return point < 0;
  });
  return (chosen ?? makers[0]!)[1](random, atMs);
}

/** Mostly an instant, sometimes long. */
function briefly(random: Random, maxMs: number): number {
  return random.chance(0.4) ? 0 : random.integer(1, maxMs);
}

function killService(random: Random, atMs: number): Fault {
  return { kind: 'kill', target: anyOf(random, serviceNames), atMs, downMs: briefly(random, 1800) };
}

function killServer(random: Random, atMs: number): Fault {
  return { kind: 'kill', target: anyOf(random, serverNames), atMs, downMs: briefly(random, 2500) };
}

/** A moment, past the life of blocks and tickets, or past the lock on a job. */
function stopService(random: Random, atMs: number): Fault {
  const forMs = random.chance(0.4) ? random.integer(50, 800) : random.integer(1000, 4000);
  if (random.chance(0.15)) {
    return { kind: 'stop', target: anyOf(random, allocationNames), atMs, forMs: pastLockMs + random.integer(0, 2000) };
  }
  return { kind: 'stop', target: anyOf(random, serviceNames), atMs, forMs };
}

function slowLink(random: Random, atMs: number): Fault {
  const link = anyOf(random, linkNames);
  return { kind: 'delay', link, atMs, forMs: random.integer(500, 2500), byMs: random.integer(10, 400) };
}

function dropOnLink(random: Random, atMs: number): Fault {
  const what = random.chance(0.7) ? 'replies' : 'requests';
  return { kind: 'drop', link: anyOf(random, linkNames), what, atMs, forMs: random.integer(50, 1500) };
}

function mirrorClients(random: Random, atMs: number): Fault {
  const link = anyOf(random, ['clients>gateway-0', 'clients>gateway-1'] as const);
  return { kind: 'mirror', link, to: anyOf(random, gatewayNames), atMs, forMs: random.integer(300, 2500) };
}

function shiftClock(random: Random, atMs: number): Fault {
  const shiftMs = random.integer(500, 7_200_000) * (random.chance(0.5) ? 1 : -1);
  const target = random.chance(0.7) ? anyOf(random, gatewayNames) : anyOf(random, serviceNames);
  return { kind: 'clock', target, atMs, forMs: random.integer(500, 4000), shiftMs };
}

function rewindRedis(random: Random, atMs: number): Fault {
  return { kind: 'rewind', atMs, swapAtMs: atMs + random.integer(100, 2000), downMs: briefly(random, 1000) };
}

function anyOf<T>(random: Random, list: readonly [T, ...T[]] | readonly T[]): T {
  return random.pick(list)!;
}
