/** Phones, gateways and the stock of an event at virtual time: for seeded simulations. Nothing in it waits. */
import type { EventSnapshot, ShakeAnswer } from '#libs/contracts';
import { type PacketRef, packetIdOf, packetRefOf } from '#libs/domain';
import type { StockAnswer, StockVisit } from '#libs/redis';
import { createLogger } from '#libs/runtime';
import type { PreparedAnswer } from '../process/raw-answer.ts';
import type { Session } from '../sessions/session.ts';
import { tickMs } from '../shake/shake-rate.ts';
import { StockHolder } from '../shake/stock-holder.ts';
import { MemoryStock, MemoryStocker } from './memory-stock.ts';
import { ShakeLab, testSession } from './shake-lab.ts';

/** Time passes in steps of this; what is sent over the network arrives one later. */
export const stepMs = 50;
const poolsPerVisitMax = 4096;

/** A seeded generator of uniform numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** How a user shakes. Every answer tells when to come again; the tempers differ in what they make of it. */
export interface Temper {
  readonly name: string;
  /** Shakes in the time of one. Default 1. */
  readonly haste?: number;
  /** Waits up to this much longer than told, in ms. Default 0. */
  readonly delayMs?: number;
  /** Shakes at every gateway each time. */
  readonly isEverywhere?: boolean;
  /** Which state is shown: the latest (default), none, or the first one ever got. */
  readonly state?: 'latest' | 'none' | 'first';
}

export interface Phone {
  readonly userId: string;
  readonly temper: Temper;
  readonly eventId: number;
  readonly gateway: number;
  /** By gateway, of those at which it has shaken. */
  readonly sessions: (Session | undefined)[];
  state: string | undefined;
  firstState: string | undefined;
  /** Wins, as the gateways gave them. */
  readonly wins: Win[];
}

export interface Win extends PacketRef {
  readonly phone: Phone;
  readonly gateway: number;
  readonly sponsorId: string;
  readonly atMs: number;
}

interface Travelling {
  readonly atMs: number;
  readonly resolve: (answer: StockAnswer) => void;
  readonly answer: StockAnswer;
}

export interface WorldOptions {
  readonly startsAtMs: number;
  readonly events: readonly EventSnapshot[];
  readonly gateways: number;
  readonly seed: number;
  /** Blocks end with their wave. */
  readonly isWaveOnly?: boolean;
}

export class ShakeWorld {
  readonly stock = new MemoryStock();
  readonly gateways: ShakeLab[] = [];
  readonly phones: Phone[] = [];
  readonly wins: Win[] = [];
  readonly random: () => number;
  /** Answers by what they say. */
  readonly results = new Map<string, number>();
  /** Called for each distinct draw: shakes that were answered with a hit or a miss. */
  onShake: (phone: Phone, gateway: number, nowMs: number, isHit: boolean) => void = () => undefined;
  /** False: the store does not answer. */
  isStoreThere = true;
  nowMs: number;
  private readonly holders: StockHolder[] = [];
  private readonly stockers: MemoryStocker[];
  private readonly issuedOf = new Map<number, number>();
  private travelling: Travelling[] = [];
  private readonly due: (Phone[] | undefined)[] = [];
  private readonly read = new Map<PreparedAnswer, ShakeAnswer>();

  private constructor(private readonly options: WorldOptions) {
    this.nowMs = options.startsAtMs;
    this.random = seeded(options.seed);
    this.stockers = options.events.map((event) => new MemoryStocker(this.stock, event, options.isWaveOnly));
  }

  static async of(options: WorldOptions): Promise<ShakeWorld> {
    const world = new ShakeWorld(options);
    for (let gateway = 0; gateway < options.gateways; gateway++) {
      const lab = await ShakeLab.of(options.startsAtMs, ...options.events);
      world.gateways.push(lab);
      world.holders.push(
        new StockHolder({
          user: lab.events,
          time: lab.time,
          exchange: (visit) => world.exchange(visit),
          poolsPerVisitMax,
          logger: createLogger('test', 'silent'),
          random: world.random,
        }),
      );
    }
    return world;
  }

  /** A phone that shakes for the first time at `atMs`. */
  addPhone(temper: Temper, gateway: number, atMs: number, eventId = this.options.events[0]!.id): Phone {
    const userId = `${temper.name}-${eventId}-${this.phones.length}`;
    const phone = { userId, temper, eventId, gateway, sessions: [], state: undefined, firstState: undefined, wins: [] };
    this.phones.push(phone);
    this.schedule(phone, atMs);
    return phone;
  }

  /** Lets time pass up to `untilMs`; `onStep` after each step. */
  async pass(untilMs: number, onStep: () => void = () => undefined): Promise<void> {
    while (this.nowMs < untilMs) {
      this.nowMs += stepMs;
      for (const stocker of this.stockers) stocker.pass(this.nowMs);
      await this.deliver();
      this.gateways.forEach((lab, gateway) => {
        lab.nowMs = this.nowMs;
        // gateways tick at different times
        if ((this.nowMs / stepMs + gateway) % (tickMs / stepMs) === 0) lab.tick();
        void this.holders[gateway]!.look();
      });
      await Promise.resolve();
      const step = this.stepOf(this.nowMs);
      for (const phone of this.due[step] ?? []) this.shake(phone);
      this.due[step] = undefined;
      onStep();
    }
  }

  /** Issued of a pool so far. */
  issued(poolId: number): number {
    return this.issuedOf.get(poolId) ?? 0;
  }

  /** Indexes in the hands of all gateways. */
  inHand(poolId: number): number {
    return this.gateways.reduce(
      (sum, { events }) => sum + [...events.list()].reduce((left, { stock }) => left + stock.leftOf(poolId), 0),
      0,
    );
  }

  private async deliver(): Promise<void> {
    const arrived = this.travelling.filter(({ atMs }) => atMs <= this.nowMs);
    if (arrived.length === 0) return;
    this.travelling = this.travelling.filter(({ atMs }) => atMs > this.nowMs);
    for (const { resolve, answer } of arrived) resolve(answer);
    await new Promise((resolve) => setImmediate(resolve));
  }

  private exchange(visit: StockVisit): Promise<StockAnswer> {
    if (!this.isStoreThere) return Promise.reject(new Error('away'));
    const answer = this.stock.exchange(visit, this.nowMs);
    return new Promise((resolve) => {
      this.travelling.push({ atMs: this.nowMs + stepMs, resolve, answer });
    });
  }

  private shake(phone: Phone): void {
    const { temper } = phone;
    const at = temper.isEverywhere ? this.gateways.keys() : [phone.gateway];
    let waitMs = Number.POSITIVE_INFINITY;
    for (const gateway of at) waitMs = Math.min(waitMs, this.shakeAt(phone, gateway));
    if (waitMs === Number.POSITIVE_INFINITY) return;
    const { haste = 1, delayMs = 0 } = temper;
    this.schedule(phone, this.nowMs + waitMs / haste + delayMs * this.random());
  }

  /** Returns how long to wait; Infinity: the night is over for this phone. */
  private shakeAt(phone: Phone, gateway: number): number {
    const shown = { latest: phone.state, none: undefined, first: phone.firstState }[phone.temper.state ?? 'latest'];
    phone.sessions[gateway] ??= testSession(phone.userId);
    const session = phone.sessions[gateway];
    const { answer: prepared } = this.gateways[gateway]!.verdict(session, phone.eventId, shown);
    const answer = this.readOf(prepared);
    this.results.set(answer.result, (this.results.get(answer.result) ?? 0) + 1);
    if (answer.result === 'not_started') return answer.startsInMs;
    if (answer.result === 'limit' || answer.result === 'over') return Number.POSITIVE_INFINITY;
    if (answer.result !== 'rest') this.onShake(phone, gateway, this.nowMs, answer.result === 'hit');
    if (answer.result === 'hit') this.win(phone, gateway, answer);
    return answer.nextShakeMs;
  }

  private win(phone: Phone, gateway: number, hit: Extract<ShakeAnswer, { result: 'hit' }>): void {
    phone.state = hit.state;
    phone.firstState ??= hit.state;
    const win = { ...packetRefOf(BigInt(hit.packetId)), phone, gateway, sponsorId: hit.sponsor.id, atMs: this.nowMs };
    // repeated in the same turn, a win is told again
    if (phone.wins.some((known) => packetIdOf(known) === packetIdOf(win))) return;
    phone.wins.push(win);
    this.wins.push(win);
    this.issuedOf.set(win.poolId, this.issued(win.poolId) + 1);
  }

  /** Misses are few and shared; hits are read once. */
  private readOf(prepared: PreparedAnswer): ShakeAnswer {
    const known = this.read.get(prepared);
    if (known !== undefined) return known;
    const answer = JSON.parse(String(prepared.body)) as ShakeAnswer;
    if (answer.result !== 'hit') this.read.set(prepared, answer);
    return answer;
  }

  private schedule(phone: Phone, atMs: number): void {
    const step = Math.max(this.stepOf(atMs), this.stepOf(this.nowMs) + 1);
    this.due[step] ??= [];
    this.due[step].push(phone);
  }

  private stepOf(atMs: number): number {
    return Math.ceil((atMs - this.options.startsAtMs) / stepMs);
  }
}

/** What opens would credit of a phone's wins: the first of each sponsor, `perUserMax` in all. */
export function creditedOf({ wins }: Phone, perUserMax: number): number {
  return Math.min(new Set(wins.map(({ sponsorId }) => sponsorId)).size, perUserMax);
}
