import { expect } from 'vitest';
import type { EventPlanInput } from '#libs/contracts';
import { listGatewaySamples } from '#libs/redis';
import { ChaosSystem } from '../../scripts/chaos/system.ts';
import { type Answer, call, until } from './http.ts';
import { type PlanOptions, smallPlan, steadyPlan } from './plans.ts';

export const patienceMs = 120_000;
/** Phones that shake at once in a crowd. */
const crowdSize = 8;
/** A crowd that wins so much makes its gateway hold some tens of packets. */
const crowdWins = 40;
const shakesEach = 15;
/** Totals of all gateways are good for three seconds, and two more pass before one without them goes by what it sees itself. */
const judgesAloneAfterMs = 6000;
/** The longest that a phone of these tests waits between two shakes, whatever it is told. */
const pauseMaxMs = 500;
const shakeResults = new Set(['hit', 'miss', 'rest', 'limit']);
/** Longer than any test: what is stocked or in hand stays good, and time brings nothing back meanwhile. */
const longLifeMs = 600_000;
const eventLastsMs = 900_000;

export interface Phone {
  readonly door: string;
  readonly token: string;
}
export interface Winner extends Phone {
  readonly ticket: string;
  readonly packetId: string;
}
/** What is read of a gateway's sample. */
interface EventSample {
  readonly id: string;
  readonly shakesPerSecond: number;
  readonly indexesInHand: number;
}
export interface EventFigures {
  /** So many told. */
  readonly gateways: number;
  readonly shakesPerSecond: number;
  /** Packets that may be issued without asking anybody. */
  readonly inHand: number;
}
/** What people were in the middle of when the fault came. */
export interface Night {
  /** Holds a ticket that is not opened yet. */
  readonly holder: Winner;
  readonly friend: Phone;
  /** Of a packet that is credited. */
  readonly shareToken: string;
}

export const open = ({ door, token, ticket }: Winner): Promise<Answer> =>
  call('POST', `${door}/v1/packets/open`, { token, body: { ticket } });
export const share = ({ door, token, ticket, packetId }: Winner): Promise<Answer> =>
  call('POST', `${door}/v1/packets/${packetId}/share`, { token, body: { ticket } });
export const grab = ({ door, token }: Phone, shareToken: string): Promise<Answer> =>
  call('POST', `${door}/v1/shares/${shareToken}/grab`, { token });

/** Asks until the wanted status; any other answer on the way must be a "not yet" or "not now". */
export async function ends(status: number, ask: () => Promise<Answer>): Promise<Answer> {
  const isEnd = (got: Answer): boolean => got.status === status || ![202, 503].includes(got.status);
  const answer = await until(`${status}`, ask, isEnd, patienceMs);
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  return answer;
}

/** A refusal that says when to come again, of one of these kinds. */
export function expectNotNow({ status, headers, body }: Answer, codes: readonly string[]): void {
  const isTold = Number(headers.get('retry-after')) > 0;
  expect([status, codes.includes(body.code), isTold], body.code).toEqual([503, true, true]);
}

/** Nothing can come of it yet: it is accepted, and never anything but "not yet" or "not now". */
export async function expectPending(ask: () => Promise<Answer>): Promise<void> {
  await ends(202, ask);
}

/** What was begun comes to its end. */
export async function expectAllSettled({ holder, friend, shareToken }: Night): Promise<void> {
  expect((await ends(200, () => open(holder))).body.status).toBe('credited');
  expect((await ends(200, () => grab(friend, shareToken))).body.status).toBe('credited');
}

/** A whole system to be harmed, an event that is played, and what its people do and are told. Every answer counts, none is timed. */
export class OutageStage {
  /** The event that is played. */
  eventId = '';
  readonly eventIds: string[] = [];
  private users = 0;

  private constructor(readonly system: ChaosSystem) {}

  static async start(): Promise<OutageStage> {
    const stage = new OutageStage(await ChaosSystem.start());
    await stage.playSteady();
    return stage;
  }

  door(no: 0 | 1): string {
    return this.system.gatewayUrls[no]!;
  }

  /** A hundred packets a second for longer than all tests together: whoever shakes wins soon. */
  async playSteady(): Promise<void> {
    await this.play(steadyPlan, {
      packetsPerSponsor: 90_000,
      durationMs: eventLastsMs,
      ticketTtlMs: 300_000,
      blockLifeMs: longLifeMs,
    });
  }

  /** An event whose packets are all on the stock list when this resolves: nobody need be there to stock more. */
  async playStocked(packets: number): Promise<void> {
    const options = { packetsPerSponsor: packets, durationMs: eventLastsMs, ticketTtlMs: 300_000 };
    const id = await this.play(smallPlan, { ...options, blockLifeMs: longLifeMs, waveMs: 1000 });
    const stocked = async () => (await this.system.ops.reconciliation(id)).packets.stocked;
    await until('the whole stock', stocked, (count) => count === packets, patienceMs);
  }

  async play(planOf: typeof smallPlan, options: Omit<PlanOptions, 'sponsors'>): Promise<string> {
    const plan: EventPlanInput = planOf({
      sponsors: 1,
      sharePortions: 3,
      sharesLastMs: eventLastsMs,
      perUserMax: 1,
      ...options,
    });
    const { id } = await this.system.ops.createEvent(plan);
    this.eventIds.push(id);
    await this.system.ops.arm(id, 'test');
    for (const door of this.system.gatewayUrls) await this.untilLive(door, id);
    this.eventId = id;
    return id;
  }

  async untilLive(door: string, eventId = this.eventId): Promise<void> {
    const shown = () => call('GET', `${door}/v1/events/${eventId}`);
    await until('the live event', shown, ({ body }) => body.state === 'live');
  }

  async phone(door = this.door(1)): Promise<Phone> {
    this.users += 1;
    const { status, body } = await call('POST', `${door}/v1/sessions`, { body: { userId: `row-${this.users}` } });
    expect(status).toBe(201);
    return { door, token: body.token };
  }

  /** One shake; it must be answered, whatever is gone. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted field by field
  async shake({ door, token }: Phone): Promise<any> {
    const { status, body } = await call('POST', `${door}/v1/events/${this.eventId}/shake`, { token });
    expect([status, shakeResults.has(body.result)], JSON.stringify(body)).toEqual([200, true]);
    return body;
  }

  /** Shakes at the pace that the answers ask for until it wins, or nobody wants it any more. */
  async winner(door?: string, isOver = () => false): Promise<Winner> {
    return await this.winnerBy(await this.phone(door), isOver);
  }

  async winnerBy(won: Phone, isOver = () => false): Promise<Winner> {
    const paced = async () => {
      const body = await this.shake(won);
      if (body.result !== 'hit')
        await new Promise((resolve) => setTimeout(resolve, Math.min(body.nextShakeMs ?? 100, pauseMaxMs)));
      return body;
    };
    const hit = await until('a hit', paced, ({ result }) => result === 'hit' || isOver(), patienceMs);
    return { ...won, ticket: hit.ticket, packetId: hit.packetId };
  }

  async prepare(door?: string): Promise<Night> {
    const [holder, owner, friend] = await Promise.all([this.winner(door), this.winner(door), this.phone(door)]);
    await ends(200, () => open(owner));
    return { holder, friend, shareToken: (await share(owner)).body.shareToken };
  }

  /** Strangers shake at this door, one after the other in a crowd, until so many of them have won; every shake is answered. */
  async expectWins(count: number, door?: string): Promise<void> {
    let wins = 0;
    const isOver = (): boolean => wins >= count;
    const one = async (): Promise<void> => {
      while (!isOver()) if ((await this.winner(door, isOver)).ticket !== undefined) wins += 1;
    };
    await Promise.all(Array.from({ length: crowdSize }, one));
    expect(wins).toBeGreaterThanOrEqual(count);
  }

  /** One shake each of strangers at this door: all are answered. Returns the results. */
  async shakesOfStrangers(door?: string): Promise<string[]> {
    const strangers = await Promise.all(Array.from({ length: shakesEach }, () => this.phone(door)));
    const answers = await Promise.all(strangers.map((stranger) => this.shake(stranger)));
    return answers.map(({ result }) => result);
  }

  /** Nothing is left to be won: from now on strangers are answered `miss` (`rest` where the machine is busy), and none `hit`. */
  async expectMisses(door?: string): Promise<void> {
    const results = [...(await this.shakesOfStrangers(door)), ...(await this.shakesOfStrangers(door))];
    expect(results).toContain('miss');
    expect(results.filter((result) => result !== 'miss' && result !== 'rest')).toEqual([]);
  }

  /**
   * What a gateway holds comes to its end: strangers shake at this door until none has won for longer than it ever waits before it judges the
   * demand by itself. Every one was answered, and those since the last win with `miss` or `rest`.
   */
  async expectHandEnds(door?: string): Promise<void> {
    let wonAtMs = performance.now();
    let since: string[] = [];
    const shaken = async (): Promise<number> => {
      const results = await this.shakesOfStrangers(door);
      since = results.includes('hit') ? [] : [...since, ...results];
      if (since.length === 0) wonAtMs = performance.now();
      return performance.now() - wonAtMs;
    };
    await until('the end of what is in hand', shaken, (withoutWinMs) => withoutWinMs > judgesAloneAfterMs, patienceMs);
    expect(since).toContain('miss');
    expect(since.filter((result) => result !== 'miss' && result !== 'rest')).toEqual([]);
  }

  /** Has people win at this door, so that it takes stock, until they are through and it is known to hold at least so much. */
  async fillHand(count: number, door?: string, wins = crowdWins): Promise<void> {
    await this.expectWins(wins, door);
    const isStill = (told: EventFigures): boolean => told.shakesPerSecond === 0 && told.inHand >= count;
    await until('packets in hand', () => this.figures(), isStill, patienceMs);
  }

  /** Of the event, over all gateways, as each told within the last seconds. */
  async figures(): Promise<EventFigures> {
    const samples = await listGatewaySamples(this.system.cache);
    const events = samples.flatMap(({ sample }) => sample['events'] as EventSample[]);
    const told = events.filter(({ id }) => id === this.eventId);
    const sumOf = (key: 'shakesPerSecond' | 'indexesInHand'): number => told.reduce((sum, one) => sum + one[key], 0);
    return { gateways: told.length, shakesPerSecond: sumOf('shakesPerSecond'), inHand: sumOf('indexesInHand') };
  }

  async heal(night: Night): Promise<void> {
    await this.system.heal();
    await expectAllSettled(night);
  }
}
