import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ChaosSystem } from '../scripts/chaos/system.ts';
import { call, until } from './support/http.ts';
import { KeyHost } from './support/key-host.ts';
import {
  ends,
  expectAllSettled,
  expectNotNow,
  expectPending,
  grab,
  type Night,
  OutageStage,
  open,
  type Phone,
  patienceMs,
  share,
} from './support/outage-stage.ts';
import { smallPlan } from './support/plans.ts';
import { Site } from './support/site.ts';

/**
 * Each row of the table "What each failure does" (docs/isolation.md), on the running processes: what is gone, or hangs, costs what the
 * table says and nothing else, and what it cost comes back. Every answer counts, none is timed.
 */
let stage: OutageStage;
let system: ChaosSystem;

beforeAll(async () => {
  stage = await OutageStage.start();
  ({ system } = stage);
});
afterAll(() => system?.stop(false));
afterEach(() => system.heal());

/** So many shakes win, from what is at hand, while something is gone. */
const winsEnough = 5;
const stockedPackets = 40;
/** Of it, what `prepare` wins before the fault. */
const wonBefore = 2;

const gone = {
  allocation: {
    killed: () => Promise.all([system.kill('allocation-0'), system.kill('allocation-1')]),
    hanging: async () => void [system.pause('allocation-0'), system.pause('allocation-1')],
  },
  share: { killed: () => system.kill('share'), hanging: async () => system.link('gateways>share').drop('replies') },
  postgres: { killed: () => system.kill('postgres'), hanging: async () => system.pause('postgres') },
  redis: { killed: () => system.kill('redis'), hanging: async () => system.pause('redis') },
  ops: { killed: () => system.kill('ops'), hanging: async () => system.pause('ops') },
  'gateway-0': { killed: () => system.kill('gateway-0'), hanging: async () => system.pause('gateway-0') },
};
const ways = ['killed', 'hanging'] as const;

/** The same people at another door. */
const moved = ({ holder, friend, shareToken }: Night, door: string): Night => ({
  holder: { ...holder, door },
  friend: { ...friend, door },
  shareToken,
});

// All of a small pool is on the stock list before the fault: what is won after it comes from there, and nobody stocks more.
describe.each(['allocation', 'postgres'] as const)('%s', (name) => {
  it.each(ways)(
    '%s: the whole stock is won, then misses; opens and grabs pending, shares work; then the lanes drain',
    async (way) => {
      await stage.playStocked(stockedPackets);
      const night = await stage.prepare();
      await gone[name][way]();
      await stage.expectWins(stockedPackets - wonBefore);
      await stage.expectMisses();
      await expectPending(() => open(night.holder));
      expect((await share(night.holder)).status).toBe(201);
      await expectPending(() => grab(night.friend, night.shareToken));
      await stage.heal(night);
    },
  );
});

describe('the share service', () => {
  it.each(ways)('%s: grabs are told to come again, nothing else notices', async (way) => {
    await stage.playSteady();
    const night = await stage.prepare();
    await gone.share[way]();
    const grabs = Promise.all(Array.from({ length: 40 }, () => grab(night.friend, night.shareToken)));
    await stage.expectWins(winsEnough);
    expect((await ends(200, () => open(night.holder))).body.status).toBe('credited');
    expect((await share(night.holder)).status).toBe(201);
    for (const answer of await grabs) expectNotNow(answer, ['dependency_unavailable', 'overloaded']);
    await stage.heal(night);
  });
});

describe('Redis', () => {
  it.each(ways)(
    '%s: what is in hand is won, then misses; opens and grabs are told to come again, shares work',
    async (way) => {
      await stage.playSteady();
      const night = await stage.prepare();
      await stage.fillHand(winsEnough);
      await gone.redis[way]();
      await stage.expectWins(winsEnough);
      await stage.expectHandEnds();
      for (let i = 0; i < 5; i++) expectNotNow(await open(night.holder), ['queue_unavailable']);
      expect((await share(night.holder)).status).toBe(201);
      expectNotNow(await grab(night.friend, night.shareToken), [
        'queue_unavailable',
        'dependency_unavailable',
        'overloaded',
      ]);
      await stage.heal(night);
      // there is stock again
      await stage.expectWins(1);
    },
  );
});

describe('a gateway', () => {
  it.each(ways)('%s: the other serves, its users too, and tickets of the one are opened at the other', async (way) => {
    await stage.playSteady();
    const [here, there] = [stage.door(0), stage.door(1)];
    const night = await stage.prepare(here);
    await gone['gateway-0'][way]();
    let isAnswered = false;
    const shaking = stage.shake({ ...night.friend, door: here }).then(
      () => {
        isAnswered = true;
      },
      // refused, or waited for in vain
      () => undefined,
    );
    await stage.expectWins(winsEnough, there);
    await expectAllSettled(moved(night, there));
    expect(isAnswered).toBe(false);
    await system.heal();
    await shaking;
    await expectAllSettled(await stage.prepare(here));
  });
});

describe('a site', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.open(system);
  });
  afterAll(() => site?.close());

  it.each([
    ['cut off', () => site.cut()],
    ['whose lines swallow everything', () => site.silence()],
  ])(
    '%s: it wins what it has in hand, then misses; shares work, its tickets wait; the other sites do not notice',
    async (_, part) => {
      await stage.playSteady();
      await stage.untilLive(site.url);
      const night = await stage.prepare(site.url);
      await stage.fillHand(winsEnough, site.url);
      part();
      await stage.expectWins(winsEnough, site.url);
      await stage.expectWins(winsEnough, stage.door(1));
      expectNotNow(await open(night.holder), ['queue_unavailable']);
      expect((await share(night.holder)).status).toBe(201);
      expectNotNow(await grab(night.friend, night.shareToken), ['dependency_unavailable', 'overloaded']);
      await expectAllSettled(await stage.prepare(stage.door(1)));
      await stage.expectHandEnds(site.url);
      site.mend();
      await expectAllSettled(night);
      await stage.expectWins(1, site.url);
    },
  );
});

// The gateway is a new one: it has never read the keys. Guests, whose sessions it signs itself, are there all the time.
describe('the session keys of the host application', () => {
  it.each(ways)('%s, before they were read and after: who needs no read notices nothing', async (way) => {
    await stage.playSteady();
    const host = await KeyHost.start();
    const lose = () => (way === 'killed' ? host.stop() : host.hang());
    await lose();
    const site = await Site.open(system, { SESSION_JWKS_URL: host.url });
    onTestFinished(async () => {
      await site.close();
      await host.stop();
    });
    await stage.untilLive(site.url);
    const signedIn = async (name: string): Promise<Phone> => ({ door: site.url, token: await host.sign(name) });
    const early = await signedIn(`early-${way}`);
    expect((await stage.shake(early)).result).toBe('rest');
    const nothing = { ...early, ticket: 'none', packetId: '1' };
    for (const ask of [() => open(nothing), () => share(nothing), () => grab(early, 'none')])
      expectNotNow(await ask(), ['dependency_unavailable']);
    await expectAllSettled(await stage.prepare(site.url));

    await host.comeBack();
    const first = await stage.winnerBy(early);
    await lose();
    expect((await ends(200, () => open(first))).body.status).toBe('credited');
    const newcomer = await stage.winnerBy(await signedIn(`late-${way}`));
    expect((await ends(200, () => open(newcomer))).body.status).toBe('credited');
    expect((await share(newcomer)).status).toBe(201);
  });
});

describe('ops', () => {
  it.each(ways)('%s: the last known tier holds, and everything else works', async (way) => {
    await stage.playSteady();
    const night = await stage.prepare();
    const tierOf = async () => (await call('GET', `${stage.door(1)}/v1/events/${stage.eventId}`)).body.tier;
    await system.ops.setTier({ mode: 'pinned', tier: 1, reason: 'test' });
    await until('the tier', tierOf, (tier) => tier === 1);
    await gone.ops[way]();
    await stage.expectWins(winsEnough);
    await expectAllSettled(night);
    expect(await tierOf()).toBe(1);
    await system.heal();
    await system.ops.setTier({ mode: 'pinned', tier: 0, reason: 'test' });
    await until('the tier', tierOf, (tier) => tier === 0);
  });
});

// A gateway is gone with the blocks that it holds, and with tickets that nobody opens: time alone brings them back, every packet is granted in
// the end, and a gateway that comes back to life issues nothing that is not its own any more.
describe('the blocks of a gateway', () => {
  it.each(ways)('that is %s come back by time', async (way) => {
    const packets = 64;
    const plan = { packetsPerSponsor: packets, durationMs: 900_000, ticketTtlMs: 1500, blockLifeMs: 10_000 };
    await stage.play(smallPlan, plan);
    const granted = async () => (await system.ops.reconciliation(stage.eventId)).packets.granted;
    let isOver = false;
    const player = async (door: string) => {
      while (!isOver) {
        const won = await stage.winner(door, () => isOver);
        const hasOutcome = ({ status }: { status: number }): boolean => [200, 409, 410].includes(status);
        // one that expires before it is opened is nobody's yet
        if (!isOver) await until('an outcome', () => open(won), hasOutcome, patienceMs);
      }
    };
    await stage.fillHand(1, stage.door(0), 8);
    await gone['gateway-0'][way]();
    const players = Promise.all(Array.from({ length: 4 }, () => player(stage.door(1))));
    try {
      await until('every packet to be granted', granted, (count) => count === packets, patienceMs);
    } finally {
      isOver = true;
      await players;
    }
    await system.heal();
    const results: string[] = [];
    const shaken = async () => {
      results.push(...(await stage.shakesOfStrangers(stage.door(0))));
      return await stage.figures();
    };
    await until('both to hold nothing', shaken, ({ gateways, inHand }) => gateways === 2 && inHand === 0, patienceMs);
    expect(results).not.toContain('hit');
  });
});

it('after all of it the books are balanced', async () => {
  for (const id of stage.eventIds)
    expect(await system.ops.reconciliation(id)).toMatchObject({ balanced: true, violations: [] });
});
