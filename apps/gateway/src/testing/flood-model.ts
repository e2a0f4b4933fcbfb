import { connectionsWaitingMax, roomMin, shutMinMs } from '../admission/door-latch.ts';
import { type LineLimits, LineShedder } from '../admission/line-shedder.ts';
import { type Line, type LineVisitor, newLine } from '../admission/parked-lines.ts';

/** In shakes of a round of 200, as measured in a gateway: the bench suite `overload` prints what the whole comes to. */
const costs = {
  /** Each of the three turns of an open. */
  openTurn: 1.5,
  parking: 0.1,
  bringingBack: 0.3,
  /** The kernel tells once that there is something to read on a connection that is not read. */
  passingOver: 0.05,
  hangingUp: 1,
  /** A request whose client has gone. */
  gone: 1.5,
  connection: 4,
  /** What a process does ten times a second besides. */
  step: 25,
  /** Garbage is collected, now and then. */
  pause: 1000,
  /** To listen again, for each connection that is there (see DoorLatch). */
  listening: 0.006,
} as const;
/** The more a process takes at once, the less each costs: a tenth of a core answers 1350/s one by one, 2400/s by 200 and 3500/s by 1000. */
const shakeCostIn = (round: number): number => Math.min(Math.max(1 - 0.37 * Math.log10(round / 200), 0.7), 1.75);
const stepMs = 100;
const pauseEachMs = 7000;
const patienceMs = 2000;
/** Of libuv: ready sockets that it takes at once. It looks at timers when it found fewer. */
const batchMax = 1024;
/** Under way at once, as of ReadyProbe. */
const probesMax = 8;
/** Phones that come for one shake in the place of those who are waiting. */
const spares = 4000;
/** Coprime to any number of phones that is no multiple of it: they shake in another order than that in which they came. */
const stride = 7417;
const noShake = -1;

export interface FloodOptions {
  readonly phones: number;
  /** Shakes that the process can answer in a second. */
  readonly capacity: number;
  readonly opensPerSecond: number;
  readonly limits: LineLimits;
  /** False: nothing is ever parked and the door stays open. */
  readonly isOn: boolean;
}

interface Open {
  readonly atMs: number;
  turnsLeft: number;
}
type Ready = ModelLine | { readonly probedAtMs: number } | 'connections' | Open;

class ModelLine implements Line {
  isRead = true;
  isOpen = true;
  /** Something came while it was not read. */
  hasUnread = false;

  constructor(
    private readonly model: FloodModel,
    readonly phone: number,
  ) {}

  pause(): void {
    this.isRead = false;
    this.model.spend(costs.parking);
  }

  resume(): void {
    this.isRead = true;
    this.model.spend(costs.bringingBack);
    if (this.hasUnread) this.model.ready(this);
    this.hasUnread = false;
  }

  destroy(): void {
    this.model.spend(costs.hangingUp);
    this.model.close(this);
  }
}

/**
 * A process with one event loop and too many phones, in virtual time: whatever becomes ready is read in that order, one after the other. Phones
 * shake at a fixed rate whatever they are told, one shake each at a time, give up after two seconds and come back over a new connection
 * (the clients of the suite `overload`). What is decided is LineShedder's own doing. Times are virtual milliseconds.
 */
export class FloodModel {
  readonly shedder: LineShedder<ModelLine>;
  /** What opens took. */
  opensMs: number[] = [];
  private nowMs = 0;
  private offered = 0;
  private inTime = 0;
  private readonly lines = new Map<ModelLine, LineVisitor>();
  private queue: Ready[] = [];
  private queueAt = 0;
  private batch = { size: 0, left: 0 };
  /** Of each phone: its connection, and when its shake under way was due. */
  private readonly lineOf: (ModelLine | undefined)[];
  private readonly dueMs: Float64Array;
  private readonly waiting: { readonly phone: number; readonly dueMs: number }[] = [];
  private waitingAt = 0;
  private readonly backlog: number[] = [];
  private isListening = true;
  private shutAtMs = 0;
  private nextPhone = 0;
  private nextSpare: number;
  private nextDueMs = 0;
  private nextOpenMs = 0;
  private shakesPerMs = 0;
  private step = { lastMs: 0, nextMs: stepMs, busyMs: 0, requests: 0, connections: 0 };
  private readonly probesMs: number[] = [];
  private probed = { sinceMs: Number.NEGATIVE_INFINITY, waitMs: 0, readBefore: 0 };
  private readCount = 0;
  private seed = 1;

  constructor(private readonly options: FloodOptions) {
    const { phones, limits } = options;
    this.lineOf = Array.from({ length: phones + spares });
    this.dueMs = new Float64Array(phones + spares).fill(noShake);
    this.nextSpare = phones;
    this.shedder = new LineShedder(this.lines, limits, undefined, () => this.random());
    for (let phone = 0; phone < phones; phone++) this.connect(phone);
  }

  /** Shakes at so many times the capacity; what was offered and answered in time, per second. */
  run(load: number, ms: number): { offered: number; inTime: number } {
    const before = { offered: this.offered, inTime: this.inTime };
    this.shakesPerMs = (load * this.options.capacity) / 1000;
    const endMs = this.nowMs + ms;
    this.nextDueMs = this.nowMs;
    while (this.nowMs < endMs) this.turn();
    const perSecond = (count: number): number => (count * 1000) / ms;
    return { offered: perSecond(this.offered - before.offered), inTime: perSecond(this.inTime - before.inTime) };
  }

  /** The process is busy for as long as so many shakes take. */
  spend(shakes: number): void {
    const ms = (shakes * 1000) / this.options.capacity;
    this.nowMs += ms;
    this.step.busyMs += ms;
  }

  ready(what: Ready): void {
    this.queue.push(what);
  }

  close(line: ModelLine): void {
    line.isOpen = false;
    this.lines.delete(line);
    if (this.lineOf[line.phone] !== line) return;
    this.lineOf[line.phone] = undefined;
    this.dueMs[line.phone] = noShake;
  }

  /** A linear congruential generator: the same numbers in every run. */
  private random(): number {
    this.seed = (this.seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return this.seed / 2 ** 31;
  }

  private connect(phone: number): ModelLine {
    const line = new ModelLine(this, phone);
    this.lineOf[phone] = line;
    this.lines.set(line, { ...newLine(), no: 1 });
    return line;
  }

  private turn(): void {
    this.arrive();
    if (this.nowMs >= this.step.nextMs) this.takeStep();
    const what = this.queue[this.queueAt];
    if (what === undefined) {
      this.queue = [];
      this.queueAt = 0;
      this.batch = { size: 0, left: 0 };
      this.nowMs = Math.max(this.nowMs, Math.min(this.nextDueMs, this.nextOpenMs, this.step.nextMs));
      return;
    }
    if (this.batch.left === 0) {
      const size = Math.min(this.queue.length - this.queueAt, batchMax);
      this.batch = { size, left: size };
    }
    this.batch.left -= 1;
    this.queueAt += 1;
    this.read(what);
  }

  private read(what: Ready): void {
    if (what === 'connections') this.accept();
    else if (what instanceof ModelLine) this.serve(what);
    else if ('probedAtMs' in what) {
      this.probesMs.shift();
      this.probed = { sinceMs: what.probedAtMs, waitMs: this.nowMs - what.probedAtMs, readBefore: this.readCount };
    } else {
      this.spend(costs.openTurn);
      what.turnsLeft -= 1;
      if (what.turnsLeft > 0) this.ready(what);
      else this.opensMs.push(this.nowMs - what.atMs);
    }
  }

  private arrive(): void {
    for (; this.nextDueMs <= this.nowMs; this.nextDueMs -= Math.log(1 - this.random()) / this.shakesPerMs) {
      this.giveUp(this.nextDueMs);
      this.shake(this.nextDueMs);
    }
    this.giveUp(this.nowMs);
    const { opensPerSecond } = this.options;
    if (opensPerSecond === 0) this.nextOpenMs = Number.POSITIVE_INFINITY;
    for (; this.nextOpenMs <= this.nowMs; this.nextOpenMs += 1000 / opensPerSecond)
      this.ready({ atMs: this.nextOpenMs, turnsLeft: 3 });
  }

  private giveUp(atMs: number): void {
    for (; this.waitingAt < this.waiting.length; this.waitingAt++) {
      const { phone, dueMs } = this.waiting[this.waitingAt]!;
      if (this.dueMs[phone] !== dueMs) continue;
      if (atMs - dueMs < patienceMs) return;
      this.dueMs[phone] = noShake;
      this.lineOf[phone] = undefined;
    }
  }

  private shake(atMs: number): void {
    const phone = this.whoShakes();
    if (phone === undefined) return;
    this.offered += 1;
    const line = this.lineOf[phone];
    if (line === undefined) {
      if (!this.isListening || this.backlog.length >= connectionsWaitingMax) return;
      this.backlog.push(phone);
      if (this.backlog.length === 1) this.ready('connections');
    } else if (line.isRead) this.ready(line);
    else line.hasUnread = true;
    this.dueMs[phone] = atMs;
    this.waiting.push({ phone, dueMs: atMs });
  }

  /** The next phone, or somebody else in its place while it waits. */
  private whoShakes(): number | undefined {
    const { phones } = this.options;
    const phone = this.nextPhone;
    this.nextPhone = (phone + stride) % phones;
    if (this.dueMs[phone] === noShake) return phone;
    const spare = this.nextSpare;
    this.nextSpare = spare + 1 < phones + spares ? spare + 1 : phones;
    return this.dueMs[spare] === noShake ? spare : undefined;
  }

  private accept(): void {
    const phone = this.backlog.shift();
    if (phone === undefined) return;
    if (this.options.isOn && this.lines.size >= this.shedder.connectionsMax) {
      this.shut([phone]);
      return;
    }
    this.step.connections += 1;
    this.spend(costs.connection);
    const hasGone = this.dueMs[phone] === noShake;
    // one in each round
    if (this.backlog.length > 0) this.ready('connections');
    this.ready(this.connect(phone));
    if (hasGone) this.lineOf[phone] = undefined;
  }

  /** Those who wait at the door are refused by the kernel. */
  private shut(others: readonly number[] = []): void {
    this.isListening = false;
    this.shutAtMs = this.nowMs;
    for (const phone of [...others, ...this.backlog.splice(0)]) this.dueMs[phone] = noShake;
  }

  private serve(line: ModelLine): void {
    if (!line.isOpen) return;
    if (!line.isRead) {
      line.hasUnread = true;
      this.spend(costs.passingOver);
      return;
    }
    this.step.requests += 1;
    this.readCount += 1;
    const { phone } = line;
    if (this.lineOf[phone] !== line) {
      this.spend(costs.gone);
      this.close(line);
      return;
    }
    this.spend(shakeCostIn(this.batch.size));
    this.giveUp(this.nowMs);
    if (this.dueMs[phone] === noShake) return;
    this.dueMs[phone] = noShake;
    this.inTime += 1;
    if (phone < this.options.phones) return;
    this.spend(costs.hangingUp);
    this.close(line);
  }

  private takeStep(): void {
    const { nowMs, probed, step } = this;
    const readWaitMs = Math.max(nowMs - (this.probesMs[0] ?? nowMs), probed.waitMs);
    const elapsedMs = nowMs - step.lastMs;
    this.step = { lastMs: nowMs, nextMs: nowMs + stepMs, busyMs: 0, requests: 0, connections: 0 };
    this.spend(costs.step);
    if (Math.floor(nowMs / pauseEachMs) !== Math.floor(step.lastMs / pauseEachMs)) this.spend(costs.pause);
    if (this.probesMs.length < probesMax) {
      this.probesMs.push(nowMs);
      this.ready({ probedAtMs: nowMs });
    }
    if (!this.options.isOn) return;
    this.shedder.step({
      nowMs,
      elapsedMs,
      utilisation: Math.min(step.busyMs / elapsedMs, 1),
      readWaitMs,
      ownSentAtMs: probed.sinceMs,
      readBefore: probed.readBefore,
      requests: step.requests,
      connections: step.connections,
    });
    const room = this.shedder.connectionsMax - this.lines.size;
    if (this.isListening && room <= 0) this.shut();
    else if (!this.isListening && room >= roomMin && this.nowMs - this.shutAtMs >= shutMinMs) {
      this.isListening = true;
      this.spend(costs.listening * this.lines.size);
    }
  }
}
