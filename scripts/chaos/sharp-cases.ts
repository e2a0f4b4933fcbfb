import { type Random, randomOf } from '../rehearse/random.ts';
import { randomCrowd, randomEvent } from './random-round.ts';
import {
  allocationNames,
  type CrowdShape,
  type EventShape,
  type Fault,
  gatewayNames,
  type RoundPlan,
} from './round-plan.ts';

interface Shape {
  readonly event?: Partial<EventShape>;
  readonly crowd?: Partial<CrowdShape>;
  readonly faults: readonly Fault[];
}

/** From the acceptance of a last ticket to the reissue of its packet, about, beyond block and ticket life. */
const untilReissueMs = 1200 + 900;
/** In the first second or so of an event nothing is issued, for nobody knows the demand yet: the first blocks live through it. */
const afterDemandMs = 1500;
/** A stalled job is taken from its consumer after its lock and up to two looks. */
const lockMs = 5000;
const stalledChecksMs = 4000;

/** The cases that a random schedule meets too seldom. Each is a small family: the seed moves instants and sizes. */
const shapes = {
  /** A consumer is killed with many jobs active: the database answers slowly, so they pile up. */
  'consumer-killed': (random: Random, event: EventShape): Shape => {
    const target = anyOf(random, allocationNames);
    const other = allocationNames.find((name) => name !== target) ?? target;
    const atMs = random.integer(1700, event.durationMs - 300);
    const slow = (name: (typeof allocationNames)[number]): Fault => {
      const link = `${name}>postgres` as const;
      return { kind: 'delay', link, atMs: atMs - 700, forMs: 1500, byMs: random.integer(60, 250) };
    };
    const kill: Fault = { kind: 'kill', target, atMs, downMs: random.integer(0, 1500) };
    const both: Fault = { kind: 'kill', target: other, atMs: atMs + random.integer(0, 300), downMs: 300 };
    return {
      crowd: { openTogetherMs: 300 },
      faults: [slow(target), slow(other), kill, ...(random.chance(0.4) ? [both] : [])],
    };
  },

  /**
   * Two consumers of one lane have the same jobs: the first was stopped until the second took them over, and goes on. Meanwhile the
   * blocks of those jobs are due, and must not come back.
   */
  'two-consumers': (random: Random, event: EventShape): Shape => {
    const target = anyOf(random, allocationNames);
    const atMs = random.integer(1800, 2600);
    return {
      // Much is out before the stop: the one who is stopped may be the stocker.
      event: {
        durationMs: 9000,
        waveMs: 2500,
        ticketTtlMs: 1000,
        blockLifeMs: 700,
        reissue: 'event',
        pools: event.pools.map((pool) => ({ ...pool, releaseCurve: 'burst' as const })),
      },
      crowd: { openTogetherMs: 250, pollsPerReopen: 30 },
      faults: [
        // What it asked the database for is under way when it stops, or lost: then nobody but its jobs knows of it.
        random.chance(0.4)
          ? { kind: 'delay', link: `${target}>postgres`, atMs: atMs - 500, forMs: 700, byMs: random.integer(40, 150) }
          : { kind: 'drop', link: `${target}>postgres`, what: 'requests', atMs: atMs - 350, forMs: 500 },
        { kind: 'stop', target, atMs, forMs: lockMs + random.integer(500, stalledChecksMs) },
      ],
    };
  },

  /**
   * A gateway stops between the acceptance of an open and its enqueuing, often for longer than the ticket lives: many open at the same
   * instant, it stops a moment later, and they ask the other gateway, some when their ticket has expired.
   */
  'gateway-stopped-accept': (random: Random): Shape => {
    const target = anyOf(random, gatewayNames);
    const event = { durationMs: 6500, waveMs: 5000, ticketTtlMs: 1000, blockLifeMs: 500 };
    const openTogetherMs = 500;
    const long = event.ticketTtlMs + event.blockLifeMs + untilReissueMs;
    const faults: Fault[] = [];
    for (let burst = random.integer(3, 4); burst * openTogetherMs < event.durationMs; ) {
      const forMs = random.chance(0.5) ? random.integer(event.ticketTtlMs, long) : random.integer(20, 700);
      faults.push({ kind: 'stop', target, atMs: burst * openTogetherMs + random.integer(2, 45), forMs });
      burst += Math.ceil(forMs / openTogetherMs) + random.integer(0, 1);
    }
    return { event, crowd: { openTogetherMs, brokenOff: 0.6 }, faults };
  },

  /** A gateway stops with blocks in hand and wakes after their time, when others may have them. */
  'gateway-stopped-issue': (random: Random, event: EventShape): Shape => {
    const target = anyOf(random, gatewayNames);
    const shortMs = event.blockLifeMs + random.integer(0, 400);
    const forMs = random.chance(0.5) ? shortMs : shortMs + 1000 + untilReissueMs;
    return {
      event: { durationMs: 7000, waveMs: 2500, ticketTtlMs: 1000, blockLifeMs: 700, reissue: 'event' },
      faults: [{ kind: 'stop', target, atMs: random.integer(1500, 2400), forMs }],
    };
  },

  /**
   * Redis dies, and what takes its place is a copy from a little earlier: blocks that were taken since are on its lists again, and their
   * time is not past.
   */
  'stale-replica': (random: Random, event: EventShape): Shape => {
    const atMs = random.integer(1200, 2600);
    const swapAtMs = atMs + random.integer(150, 1200);
    const pools = event.pools.map((pool) => {
      return { ...pool, packetCount: random.integer(250, 500), releaseCurve: 'burst' as const };
    });
    return {
      event: { durationMs: 5500, waveMs: 3500, ticketTtlMs: 1000, blockLifeMs: 3000, perUserMax: 5, pools },
      faults: [{ kind: 'rewind', atMs, swapAtMs, downMs: random.integer(0, 300) }],
    };
  },

  /** PostgreSQL is away for longer than tickets live, dead or stopped. */
  'database-away': (random: Random, event: EventShape): Shape => {
    const awayMs = event.ticketTtlMs + random.integer(300, 2500);
    const atMs = random.integer(1300, 2600);
    const target = 'postgres';
    const faults: Fault[] = random.chance(0.6)
      ? [{ kind: 'kill', target, atMs, downMs: awayMs }]
      : [{ kind: 'stop', target, atMs, forMs: awayMs }];
    return { faults };
  },

  /** An operator asks for the event to be settled again and again, while accepted opens and grabs still wait. */
  'settle-backlog': (random: Random, event: EventShape): Shape => {
    const atMs = event.durationMs - random.integer(100, 900);
    const backlog: Fault[] = random.chance(0.5)
      ? [{ kind: 'stop', target: 'allocation-1', atMs, forMs: random.integer(5000, 8000) }]
      : allocationNames.map((name) => {
          return { kind: 'delay', link: `${name}>postgres`, atMs, forMs: 5000, byMs: random.integer(150, 350) };
        });
    return {
      crowd: { openTogetherMs: 300, shared: 0.8, openedLate: 0.3, pollsPerReopen: 30 },
      faults: [...backlog, { kind: 'settle', atMs: event.durationMs }],
    };
  },

  /** One user's tickets in several lanes at once, over the limit: few users, many sponsors, all opened together on both phones. */
  'many-lanes': (random: Random, event: EventShape): Shape => ({
    event: {
      perUserMax: random.integer(1, 3),
      pools: Array.from({ length: 8 }, () => ({
        ...event.pools[0]!,
        packetCount: random.integer(60, 200),
        releaseCurve: 'even' as const,
      })),
      durationMs: 5500,
      waveMs: 4500,
      ticketTtlMs: 2500,
      blockLifeMs: afterDemandMs,
    },
    crowd: { users: 60, withTwoPhones: 1, openTogetherMs: 900, repeats: 0.2, openedLate: 0, neverOpened: 0 },
    faults: random.chance(0.5)
      ? [{ kind: 'kill', target: anyOf(random, allocationNames), atMs: random.integer(1600, 3000), downMs: 0 }]
      : [],
  }),

  /**
   * A packet is shared and never opened; it comes back and goes to somebody else, who shares it too. So that it does, there is time for
   * a second and a third epoch, people have room for what they win then, and there is little else to win.
   */
  'reclaimed-share': (random: Random, event: EventShape): Shape => ({
    event: {
      durationMs: 8500,
      waveMs: 3000,
      ticketTtlMs: 1000,
      blockLifeMs: 900,
      reissue: 'event',
      perUserMax: 6,
      sharesLastMs: 1500,
      pools: Array.from({ length: 6 }, () => ({
        ...event.pools[0]!,
        packetCount: random.integer(10, 20),
        sharePortions: random.integer(1, 3),
        releaseCurve: 'even' as const,
      })),
    },
    crowd: { neverOpened: 0.5, sharedUnopened: 0.7, shared: 0.8, openedLate: 0.2 },
    faults: random.chance(0.5)
      ? [
          {
            kind: 'restart',
            target: anyOf(random, ['share', ...gatewayNames] as const),
            atMs: random.integer(2000, 7500),
          },
        ]
      : [],
  }),
} as const satisfies Record<string, (random: Random, event: EventShape) => Shape>;

export type SharpCase = keyof typeof shapes;
export const sharpCases = Object.keys(shapes) as SharpCase[];

export function planSharpRound(name: SharpCase, seed: number, round: number): RoundPlan {
  const random = randomOf(seed, `${name} ${round}`);
  const event = randomEvent(random);
  const crowd = randomCrowd(random);
  const shape = shapes[name](random, event);
  const faults = [...shape.faults].sort((a, b) => a.atMs - b.atMs);
  return {
    version: 1,
    name,
    seed,
    round,
    event: { ...event, ...shape.event },
    crowd: { ...crowd, ...shape.crowd },
    faults,
  };
}

function anyOf<T>(random: Random, list: readonly T[]): T {
  return random.pick(list)!;
}
