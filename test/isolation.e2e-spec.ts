import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ChaosSystem, fullService } from '../scripts/chaos/system.ts';
import { type Answer, call, until } from './support/http.ts';
import { type PlanOptions, smallPlan, steadyPlan } from './support/plans.ts';

/**
 * Each row of the table "What each failure does" (docs/isolation.md), on the running processes: what is gone, or hangs, costs what the
 * table says and nothing else, and what it cost comes back. Every answer counts, none is timed.
 */
const shakesEach = 15;
const patienceMs = 120_000;
const shakeResults = new Set(['hit', 'miss', 'rest', 'limit']);

let system: ChaosSystem;
let eventId: string;
const eventIds: string[] = [];
let users = 0;

beforeAll(async () => {
  system = await ChaosSystem.start();
  eventId = await liveEvent(steadyPlan, { packetsPerSponsor: 9000, durationMs: 900_000, ticketTtlMs: 300_000 });
});
afterAll(() => system?.stop(false));
afterEach(() => system.heal());

async function liveEvent(planOf: typeof smallPlan, options: Omit<PlanOptions, 'sponsors'>): Promise<string> {
  const plan = planOf({ sponsors: 1, sharePortions: 3, sharesLastMs: 900_000, perUserMax: 1, ...options });
  const { id } = await system.ops.createEvent(plan);
  eventIds.push(id);
  await system.ops.arm(id, 'test');
  for (const door of system.gatewayUrls) {
    const shown = () => call('GET', `${door}/v1/events/${id}`);
    await until('the live event', shown, ({ body }) => body.state === 'live');
  }
  return id;
}

interface Phone {
  readonly door: string;
  readonly token: string;
}
interface Winner extends Phone {
  readonly ticket: string;
  readonly packetId: string;
}

async function phone(door = system.gatewayUrls[1]!): Promise<Phone> {
  users += 1;
  const { status, body } = await call('POST', `${door}/v1/sessions`, { body: { userId: `row-${users}` } });
  expect(status).toBe(201);
  return { door, token: body.token };
}

const shake = ({ door, token }: Phone): Promise<Answer> =>
  call('POST', `${door}/v1/events/${eventId}/shake`, { token });
const open = ({ door, token, ticket }: Winner) => call('POST', `${door}/v1/packets/open`, { token, body: { ticket } });
const share = ({ door, token, ticket, packetId }: Winner) =>
  call('POST', `${door}/v1/packets/${packetId}/share`, { token, body: { ticket } });
const grab = ({ door, token }: Phone, shareToken: string) =>
  call('POST', `${door}/v1/shares/${shareToken}/grab`, { token });

/** Shakes at the pace that the answers ask for until it wins, or nobody wants it any more. */
async function winner(door?: string, isOver = () => false): Promise<Winner> {
  const won = await phone(door);
  const paced = async () => {
    const { body } = await shake(won);
    if (body.result !== 'hit')
      await new Promise((resolve) => setTimeout(resolve, Math.min(body.nextShakeMs ?? 100, 500)));
    return body;
  };
  const hit = await until('a hit', paced, ({ result }) => result === 'hit' || isOver(), patienceMs);
  return { ...won, ticket: hit.ticket, packetId: hit.packetId };
}

/** Asks until the wanted status; any other answer on the way must be a "not yet" or "not now". */
async function ends(status: number, ask: () => Promise<Answer>): Promise<Answer> {
  const answer = await until(
    `${status}`,
    ask,
    (got) => got.status === status || ![202, 503].includes(got.status),
    patienceMs,
  );
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  return answer;
}

interface Night {
  /** Holds a ticket that is not opened yet. */
  readonly holder: Winner;
  readonly friend: Phone;
  /** Of a packet that is credited. */
  readonly shareToken: string;
}

async function prepare(door?: string): Promise<Night> {
  const [holder, owner, friend] = await Promise.all([winner(door), winner(door), phone(door)]);
  await ends(200, () => open(owner));
  return { holder, friend, shareToken: (await share(owner)).body.shareToken };
}

/** Every shake of strangers at this door is answered. */
async function expectShakesAnswered(door?: string): Promise<void> {
  const strangers = await Promise.all(Array.from({ length: shakesEach }, () => phone(door)));
  const answers = await Promise.all(strangers.map(shake));
  for (const { status, body } of answers) expect([status, shakeResults.has(body.result)]).toEqual([200, true]);
}

/** A refusal that says when to come again, of either kind. */
function expectNotNow({ status, headers, body }: Answer, codes: readonly string[]): void {
  expect([status, codes.includes(body.code), Number(headers.get('retry-after')) > 0], body.code).toEqual([
    503,
    true,
    true,
  ]);
}

/** Nothing can come of it yet: it is accepted, and never anything but "not yet" or "not now". */
async function expectPending(ask: () => Promise<Answer>): Promise<void> {
  await ends(202, ask);
}

/** What was begun comes to its end. */
async function expectAllSettled({ holder, friend, shareToken }: Night): Promise<void> {
  expect((await ends(200, () => open(holder))).body.status).toBe('credited');
  expect((await ends(200, () => grab(friend, shareToken))).body.status).toBe('credited');
}

async function heal(night: Night): Promise<void> {
  await system.heal();
  await expectAllSettled(night);
}

const gone = {
  allocation: {
    killed: () => Promise.all([system.kill('allocation-0'), system.kill('allocation-1')]),
    hanging: async () => void [system.pause('allocation-0'), system.pause('allocation-1')],
  },
  share: { killed: () => system.kill('share'), hanging: async () => system.link('gateways>share').drop('replies') },
  postgres: { killed: () => system.kill('postgres'), hanging: async () => system.pause('postgres') },
  redis: { killed: () => system.kill('redis'), hanging: async () => system.pause('redis') },
};
const ways = ['killed', 'hanging'] as const;

describe.each(['allocation', 'postgres'] as const)('%s', (name) => {
  it.each(ways)('%s: shakes answered, opens and grabs pending, shares work; then the lanes drain', async (way) => {
    const night = await prepare();
    await gone[name][way]();
    await expectShakesAnswered();
    await expectPending(() => open(night.holder));
    expect((await share(night.holder)).status).toBe(201);
    await expectPending(() => grab(night.friend, night.shareToken));
    await heal(night);
  });
});

describe('the share service', () => {
  it.each(ways)('%s: grabs are told to come again, nothing else notices', async (way) => {
    const night = await prepare();
    await gone.share[way]();
    const grabs = Promise.all(Array.from({ length: 40 }, () => grab(night.friend, night.shareToken)));
    await expectShakesAnswered();
    expect((await ends(200, () => open(night.holder))).body.status).toBe('credited');
    expect((await share(night.holder)).status).toBe(201);
    for (const answer of await grabs) expectNotNow(answer, ['dependency_unavailable', 'overloaded']);
    await heal(night);
  });
});

describe('Redis', () => {
  it.each(ways)('%s: shakes answered, opens and grabs are told to come again, shares work', async (way) => {
    const night = await prepare();
    await gone.redis[way]();
    await expectShakesAnswered();
    for (let i = 0; i < 5; i++) expectNotNow(await open(night.holder), ['queue_unavailable']);
    expect((await share(night.holder)).status).toBe(201);
    expectNotNow(await grab(night.friend, night.shareToken), [
      'queue_unavailable',
      'dependency_unavailable',
      'overloaded',
    ]);
    await heal(night);
    // there is stock again
    await winner();
  });
});

describe('a gateway', () => {
  const door = (no: 0 | 1) => system.gatewayUrls[no]!;

  it('killed: the other serves, its users too, and tickets of the one are opened at the other', async () => {
    const night = await prepare(door(0));
    await system.kill('gateway-0');
    await expectShakesAnswered(door(1));
    const moved = { ...night, holder: { ...night.holder, door: door(1) }, friend: { ...night.friend, door: door(1) } };
    await expectAllSettled(moved);
  });

  it('cut off from Redis: it answers its shakes and shares, its tickets wait; the other does not notice', async () => {
    const night = await prepare(door(0));
    const link = system.link('gateway-0>redis');
    link.refuse(true);
    link.cut();
    await expectShakesAnswered(door(0));
    await expectShakesAnswered(door(1));
    expectNotNow(await open(night.holder), ['queue_unavailable']);
    expect((await share(night.holder)).status).toBe(201);
    await expectAllSettled(await prepare(door(1)));
    await heal(night);
  });
});

it('ops killed: the last known tier holds, and everything else works', async () => {
  const night = await prepare();
  const tierOf = async () => (await call('GET', `${system.gatewayUrls[1]}/v1/events/${eventId}`)).body.tier;
  await system.ops.setTier({ mode: 'pinned', tier: 1, reason: 'test' });
  await until('the tier', tierOf, (tier) => tier === 1);
  await system.kill('ops');
  await expectShakesAnswered();
  await expectAllSettled(night);
  expect(await tierOf()).toBe(1);
  await system.revive('ops');
  await system.ops.setTier(fullService);
});

// Two gateways take blocks, one is killed with what it holds: time alone brings it back, and every packet is granted in the end.
it('the blocks of a killed gateway come back by time', async () => {
  eventId = await liveEvent(smallPlan, { packetsPerSponsor: 16, durationMs: 900_000, ticketTtlMs: 1500 });
  const granted = async () => (await system.ops.reconciliation(eventId)).packets.granted;
  let isOver = false;
  const player = async (door: string) => {
    while (!isOver) {
      const won = await winner(door, () => isOver);
      // one that expires before it is opened is nobody's yet
      if (!isOver)
        await until(
          'an outcome',
          () => open(won),
          ({ status }) => [200, 409, 410].includes(status),
          patienceMs,
        );
    }
  };
  const first = await winner(system.gatewayUrls[0]);
  expect(first.packetId).toBeDefined();
  await system.kill('gateway-0');
  const players = Promise.all(Array.from({ length: 4 }, () => player(system.gatewayUrls[1]!)));
  try {
    await until('every packet to be granted', granted, (count) => count === 16, patienceMs);
  } finally {
    isOver = true;
    await players;
  }
});

it('after all of it the books are balanced', async () => {
  for (const id of eventIds)
    expect(await system.ops.reconciliation(id)).toMatchObject({ balanced: true, violations: [] });
});
