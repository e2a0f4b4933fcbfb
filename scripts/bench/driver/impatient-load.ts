import { connect, type Socket } from 'node:net';
import { Arrivals } from './arrivals.ts';
import { answerBounds, closesAfter, resultLetterOf, statusOf } from './http-answer.ts';
import { ImpatientPhones, type ShakeEnd } from './impatient-phones.ts';
import type { DriverPhase, ImpatientPlan, ImpatientResult } from './plans.ts';
import { Requests } from './requests.ts';
import { spin } from './spin.ts';

const okStatus = 200;
/** Shakes that are sent between two looks at the sockets: answers must not wait for the schedule. */
const sendsPerTurnMax = 32;
const connectAtOnce = 64;
const connectRounds = 4;
const connectMaxMs = 120_000;
const readBytesMax = 64 * 1024;

/**
 * Drives phones that shake whatever they are told, step by step, until the last step has ended or `stop` says so. Its phase is
 * `measuring` from the first step of a given load on.
 */
export async function loadByImpatience(
  plan: ImpatientPlan,
  onPhase: (phase: DriverPhase) => void,
  stop: AbortSignal,
): Promise<ImpatientResult> {
  // thousands of connections are refused in a second, and a trace of each took a third of what they cost
  Error.stackTraceLimit = 0;
  const requests = await Requests.read(plan.tokensFile, plan.port, [plan.eventId]);
  const lines = new PhoneLines(plan, requests);
  await connectAll(plan, lines);
  onPhase('started');
  const startMs = performance.now();
  const phones = new ImpatientPhones(plan.phones, plan.spares, plan.patienceMs, plan.steps, startMs);
  lines.phones = phones;
  const schedule = new Schedule(plan, phones, lines, startMs, () => onPhase('measuring'));
  await spin(() => {
    const nowMs = performance.now();
    for (let phone = phones.nextGivenUp(nowMs); phone !== undefined; phone = phones.nextGivenUp(nowMs))
      lines.hangUp(phone);
    schedule.send(nowMs);
    return stop.aborted || nowMs >= phones.endMs ? 'done' : 'on';
  });
  const endMs = performance.now();
  const summary = phones.summary(endMs);
  lines.end();
  return { startedAtMs: performance.timeOrigin + startMs, capacityPerSecond: schedule.capacityPerSecond, ...summary };
}

/** Has every phone shake a few times, as fast as the answers come: it is connected, its session is known, and code is warm. */
async function connectAll({ phones: count }: ImpatientPlan, lines: PhoneLines): Promise<void> {
  const order = { ms: connectMaxMs, atOnce: connectAtOnce };
  const phones = new ImpatientPhones(count, 0, connectMaxMs, [order], performance.now());
  lines.phones = phones;
  await spin(() => {
    const nowMs = performance.now();
    while (lines.underWay < connectAtOnce && phones.answered + lines.underWay < connectRounds * count) {
      const phone = phones.take(nowMs, nowMs);
      if (phone === undefined) break;
      lines.send(phone);
    }
    if (nowMs > phones.endMs) throw new Error(`not all phones were connected within ${connectMaxMs} ms`);
    return phones.answered >= connectRounds * count && lines.underWay === 0 ? 'done' : 'on';
  });
}

/** Which shakes are due. */
class Schedule {
  capacityPerSecond = 0;
  private step = -1;
  private arrivals: Arrivals | undefined;
  private isMeasuring = false;

  constructor(
    private readonly plan: ImpatientPlan,
    private readonly phones: ImpatientPhones,
    private readonly lines: PhoneLines,
    private readonly startMs: number,
    private readonly onMeasuring: () => void,
  ) {}

  send(nowMs: number): void {
    const step = this.phones.stepAt(nowMs);
    if (step !== this.step) this.begin(step);
    const order = this.plan.steps[step]!;
    if ('atOnce' in order) {
      while (this.lines.underWay < order.atOnce && this.sendOne(nowMs, nowMs));
      return;
    }
    for (let sent = 0; sent < sendsPerTurnMax && this.arrivals!.dueMs <= nowMs; sent++)
      this.sendOne(this.arrivals!.take(), nowMs);
  }

  private begin(step: number): void {
    const before = this.plan.steps[this.step];
    if (before !== undefined && 'atOnce' in before) this.capacityPerSecond = this.phones.answeredPerSecond(this.step);
    this.step = step;
    const order = this.plan.steps[step]!;
    if ('atOnce' in order) return;
    const fromMs = step === 0 ? this.startMs : this.phones.stepEndMs(step - 1);
    // a rate of 0 has no schedule
    this.arrivals = new Arrivals(fromMs, Math.max(order.load * (this.plan.perSecond ?? this.capacityPerSecond), 1e-3));
    if (!this.isMeasuring) this.onMeasuring();
    this.isMeasuring = true;
  }

  private sendOne(dueMs: number, nowMs: number): boolean {
    const phone = this.phones.take(dueMs, nowMs);
    if (phone !== undefined) this.lines.send(phone);
    return phone !== undefined;
  }
}

/** The connection of each phone: made when it is needed. */
class PhoneLines {
  /** Shakes without an answer yet. */
  underWay = 0;
  /** Who is told what became of them. */
  phones: ImpatientPhones | undefined;
  private readonly sockets: (Socket | undefined)[];
  /** The parts of an answer that came so far. */
  private readonly kept = new Map<number, Buffer>();
  /** One for all: an answer is read before the next one comes. */
  private readonly buffer = Buffer.allocUnsafe(readBytesMax);

  constructor(
    private readonly plan: ImpatientPlan,
    private readonly requests: Requests,
  ) {
    this.sockets = Array.from({ length: plan.phones + plan.spares });
  }

  send(phone: number): void {
    this.underWay += 1;
    const socket = this.sockets[phone] ?? this.connect(phone);
    socket.write(this.requests.ofUser(phone), 'latin1');
  }

  /** Its shake has ended without an answer. */
  hangUp(phone: number): void {
    this.underWay -= 1;
    this.drop(phone);
  }

  end(): void {
    for (const socket of this.sockets) socket?.destroy();
  }

  private connect(phone: number): Socket {
    this.phones!.connects(phone);
    const callback = (count: number): boolean => {
      this.read(phone, count);
      return true;
    };
    const { port } = this.plan;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: this.buffer, callback } });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.sockets[phone] === socket) this.lost(phone);
    });
    this.sockets[phone] = socket;
    return socket;
  }

  private drop(phone: number): void {
    const socket = this.sockets[phone];
    this.sockets[phone] = undefined;
    this.kept.delete(phone);
    socket?.destroy();
  }

  private lost(phone: number): void {
    this.drop(phone);
    if (this.phones!.isWaiting(phone)) this.ended(phone, 'cutOff');
  }

  private read(phone: number, count: number): void {
    const kept = this.kept.get(phone);
    const read = this.buffer.subarray(0, count);
    const bytes = kept === undefined ? read : Buffer.concat([kept, read]);
    const bounds = answerBounds(bytes);
    if (bounds === undefined) {
      this.kept.set(phone, Buffer.from(bytes));
      return;
    }
    if (kept !== undefined) this.kept.delete(phone);
    if (closesAfter(bytes, bounds.bodyAt) || this.phones!.isSpare(phone)) this.drop(phone);
    if (this.phones!.isWaiting(phone)) this.ended(phone, endOf(bytes, bounds.bodyAt));
  }

  private ended(phone: number, how: ShakeEnd): void {
    this.underWay -= 1;
    this.phones!.end(phone, how, performance.now());
  }
}

function endOf(bytes: Buffer, bodyAt: number): ShakeEnd {
  if (statusOf(bytes) !== okStatus) return 'refused';
  return resultLetterOf(bytes, bodyAt) === 'r' ? 'rested' : 'decided';
}
