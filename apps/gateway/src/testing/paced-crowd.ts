/** A crowd of phones before one gateway in virtual time: the real draw, turns and pace, a server of fixed speed, no timers. */
import type { EventSnapshot, ShakeAnswer } from '#libs/contracts';
import { startOffsetMs } from '#libs/domain';
import { createLogger } from '#libs/runtime';
import { EventBook } from '../events/event-book.ts';
import { StoreTime } from '../process/store-time.ts';
import type { Session } from '../sessions/session.ts';
import { PaceController } from '../shake/pace-controller.ts';
import { paceStepMs } from '../shake/pace-keeper.ts';
import { ShakeService } from '../shake/shake.service.ts';
import { ShakeAdmission } from '../shake/shake-admission.ts';
import { ShakeCounters } from '../shake/shake-counters.ts';
import { ShakeEvents } from '../shake/shake-events.ts';
import { tickMs } from '../shake/shake-rate.ts';
import { testSession } from './shake-lab.ts';
import { testEvent, testRing, testTicketKey } from './test-event.ts';

export interface CrowdOptions {
  readonly seed: number;
  readonly staggerMs: number;
  readonly shakeIntervalMs?: number;
  /** Shakes that the gateway answers per second: one after the other, each in the same time, first come first served. */
  readonly capacityPerSecond: number;
}

export interface Group {
  readonly phones: number;
  /** They come at their own start of the stagger, or, if that is later, within `spreadMs` from here on (ms after the start). */
  readonly fromMs?: number;
  readonly spreadMs?: number;
  /** They are gone from here on (ms after the event's start). */
  readonly untilMs?: number;
  /** They shake at this interval whatever they are told. */
  readonly hastyMs?: number;
}

interface Phone {
  readonly session: Session;
  readonly group: Group;
  /** When the last answer that drew a turn was given, store-clock milliseconds. */
  drawnAtMs: number | undefined;
}

export interface Second {
  /** Ends at, seconds after the event's start. */
  readonly second: number;
  readonly utilisation: number;
  readonly queueMs: number;
  readonly stretch: number;
  readonly activeUsers: number;
}

/** One-way time between phone and gateway. */
const networkMs = { min: 5, max: 60 };

export class PacedCrowd {
  readonly startMs: number;
  readonly controller = new PaceController();
  readonly seconds: Second[] = [];
  /** Arrivals at the gateway, in bins of 100 ms from the event's start. */
  readonly arrivals: number[] = [];
  /** Longest time that a phone was told to wait, and longest from one drawn turn to the arrival of the shake of the next. */
  longestToldMs = 0;
  longestTurnMs = 0;
  longestQueueMs = 0;
  private readonly event: EventSnapshot;
  private readonly counters = new ShakeCounters();
  private readonly events: ShakeEvents;
  private readonly book: EventBook;
  private readonly shakes: ShakeService;
  private readonly due = new TimeHeap<Phone>();
  private readonly serviceMs: number;
  private readonly random: () => number;
  private nowMs: number;
  private freeAtMs: number;
  private busyMs = 0;
  private secondBusyMs = 0;
  private nextTickAtMs: number;
  private nextStepAtMs: number;
  private steppedShakes = 0;
  private phones = 0;

  private constructor(options: CrowdOptions) {
    this.startMs = 1_800_000_000_000;
    const { staggerMs, shakeIntervalMs = 1000, seed, capacityPerSecond } = options;
    const pools = testEvent({ startsAtMs: this.startMs }).pools;
    this.event = testEvent({ startsAtMs: this.startMs, staggerMs, shakeIntervalMs, pools });
    this.serviceMs = 1000 / capacityPerSecond;
    this.random = mulberry32(seed);
    this.nowMs = this.freeAtMs = this.startMs;
    this.nextTickAtMs = this.startMs;
    this.nextStepAtMs = this.startMs + paceStepMs;
    const time = new StoreTime({ nowMs: () => this.nowMs });
    const admission = new ShakeAdmission({ modeOf: () => 'full' }, this.controller);
    this.book = new EventBook({ read: async () => [this.event] }, createLogger('test', 'silent'));
    this.events = new ShakeEvents(this.book, time, testTicketKey, admission);
    this.shakes = new ShakeService({ ring: testRing, time, admission, counters: this.counters });
  }

  static async of(options: CrowdOptions): Promise<PacedCrowd> {
    const crowd = new PacedCrowd(options);
    await crowd.book.poll();
    crowd.events.tick();
    return crowd;
  }

  add(group: Group): void {
    for (let i = 0; i < group.phones; i++) {
      const session = testSession(`phone-${this.phones++}`);
      const own = startOffsetMs(this.event.id, session.user, this.event.staggerMs);
      const comesMs = Math.max(own, (group.fromMs ?? 0) + this.random() * (group.spreadMs ?? 0));
      this.due.push(this.startMs + comesMs + this.network(), { session, group, drawnAtMs: undefined });
    }
  }

  /** Runs on to so many seconds after the event's start. */
  runTo(seconds: number): void {
    const endMs = this.startMs + seconds * 1000;
    while (this.seconds.length < seconds) {
      const atMs = this.due.firstMs ?? endMs;
      this.upkeep(Math.min(atMs, endMs));
      if (atMs >= endMs) continue;
      this.serve(this.due.pop()!, atMs);
    }
  }

  private serve(phone: Phone, arrivedAtMs: number): void {
    const { group } = phone;
    if (arrivedAtMs - this.startMs >= (group.untilMs ?? Number.POSITIVE_INFINITY)) return;
    const bin = Math.floor((arrivedAtMs - this.startMs) / 100);
    this.arrivals[bin] = (this.arrivals[bin] ?? 0) + 1;
    const beginsAtMs = Math.max(arrivedAtMs, this.freeAtMs);
    // the server works on while time goes by: ticks, steps and seconds fall where they fall
    this.upkeep(beginsAtMs);
    this.nowMs = beginsAtMs;
    const shakeEvent = this.events.find('1')!;
    const { answer } = this.shakes.shake(phone.session, shakeEvent, undefined);
    this.freeAtMs = beginsAtMs + this.serviceMs;
    this.busyMs += this.serviceMs;
    this.secondBusyMs += this.serviceMs;
    this.longestQueueMs = Math.max(this.longestQueueMs, beginsAtMs - arrivedAtMs);
    this.comeAgain(phone, JSON.parse(answer.body), shakeEvent.turns.isDrawn, arrivedAtMs);
  }

  private comeAgain(phone: Phone, answer: ShakeAnswer, wasDrawn: boolean, arrivedAtMs: number): void {
    if (answer.result !== 'miss' && answer.result !== 'rest' && answer.result !== 'not_started')
      throw new Error(`${answer.result} without stock`);
    const waitMs = answer.result === 'not_started' ? answer.startsInMs : answer.nextShakeMs;
    if (phone.group.hastyMs === undefined && answer.result !== 'not_started') {
      this.longestToldMs = Math.max(this.longestToldMs, waitMs);
      if (!wasDrawn) {
        if (phone.drawnAtMs !== undefined)
          this.longestTurnMs = Math.max(this.longestTurnMs, arrivedAtMs - phone.drawnAtMs);
        phone.drawnAtMs = this.freeAtMs;
      }
    }
    this.due.push(this.freeAtMs + (phone.group.hastyMs ?? waitMs) + 2 * this.network(), phone);
  }

  /** What falls due until then, in order: ticks, steps of the pace, ends of seconds. */
  private upkeep(untilMs: number): void {
    for (;;) {
      const secondEndMs = this.startMs + (this.seconds.length + 1) * 1000;
      const nextMs = Math.min(this.nextTickAtMs, this.nextStepAtMs, secondEndMs);
      if (nextMs > untilMs) return;
      this.nowMs = nextMs;
      if (nextMs === this.nextTickAtMs) this.tick();
      else if (nextMs === this.nextStepAtMs) this.step();
      else this.endSecond();
    }
  }

  private tick(): void {
    this.events.tick();
    this.nextTickAtMs += tickMs;
  }

  private step(): void {
    const { results } = this.counters;
    const shakes = Object.values(results).reduce((sum, count) => sum + count, 0);
    const utilisation = Math.min(this.busyMs / paceStepMs, 1);
    const loads = this.events.takeLoads();
    this.controller.step({ elapsedMs: paceStepMs, utilisation, shakes: shakes - this.steppedShakes, loads });
    this.steppedShakes = shakes;
    this.busyMs = 0;
    this.nextStepAtMs += paceStepMs;
  }

  private endSecond(): void {
    this.seconds.push({
      second: this.seconds.length + 1,
      utilisation: this.secondBusyMs / 1000,
      queueMs: Math.max(0, this.freeAtMs - this.nowMs),
      stretch: this.controller.stretch,
      activeUsers: this.controller.sample().activeUsers,
    });
    this.secondBusyMs = 0;
  }

  private network(): number {
    return networkMs.min + this.random() * (networkMs.max - networkMs.min);
  }
}

/** A binary heap by time. */
class TimeHeap<T> {
  private readonly heap: { readonly atMs: number; readonly item: T }[] = [];

  get firstMs(): number | undefined {
    return this.heap[0]?.atMs;
  }

  push(atMs: number, item: T): void {
    const { heap } = this;
    let at = heap.push({ atMs, item }) - 1;
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.atMs <= heap[at]!.atMs) return;
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
    }
  }

  pop(): T | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first?.item;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && heap[left]!.atMs < heap[least]!.atMs) least = left;
      if (right < heap.length && heap[right]!.atMs < heap[least]!.atMs) least = right;
      if (least === at) return first.item;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

/** Tommy Ettinger's mulberry32: a small seeded generator, good enough for arrivals. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}
