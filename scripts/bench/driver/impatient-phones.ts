import { quantile } from '../measure/statistics.ts';
import { type ImpatientStep, type ImpatientStepResult, type ShakesPeriod, shakesPeriodMs } from './plans.ts';

/** How a shake ended, told once for each that was sent. */
export type ShakeEnd = 'decided' | 'rested' | 'refused' | 'cutOff' | 'gaveUp';

const noShake = -1;

/**
 * Who shakes next, who is waiting, and what became of every shake. Phones shake in turn, round and round. In the place of one that is still
 * waiting when it is his turn shakes somebody else, who comes for this once: in a crowd nobody shakes more often because others wait. (When the
 * next idle one shook instead, those who were answered had the turns of all who waited.) The first `phones` are those who stay, the `spares`
 * after them those who come once. Times are monotonic milliseconds.
 */
export class ImpatientPhones {
  /** Shakes that were decided or rested. */
  answered = 0;
  private readonly periods: ShakesPeriod[] = [];
  private readonly stepResults: { latencies: number[]; lags: number[] }[];
  private readonly stepEndsMs: readonly number[];
  /** Of each phone, when the shake under way was due; `noShake`: it has none. */
  private readonly dueMs: Float64Array;
  private nextPhone = 0;
  private readonly stride: number;
  private nextSpare: number;
  /** Shakes in the order in which they were due; a phone that has had its answer is passed over. */
  private waiting: { readonly phone: number; readonly dueMs: number }[] = [];
  private waitingAt = 0;

  constructor(
    private readonly phones: number,
    private readonly spares: number,
    private readonly patienceMs: number,
    private readonly steps: readonly ImpatientStep[],
    private readonly startMs: number,
  ) {
    this.dueMs = new Float64Array(phones + spares).fill(noShake);
    this.nextSpare = phones;
    this.stride = strideOf(phones);
    let endMs = startMs;
    this.stepEndsMs = steps.map(({ ms }) => {
      endMs += ms;
      return endMs;
    });
    this.stepResults = steps.map(() => ({ latencies: [], lags: [] }));
  }

  get endMs(): number {
    return this.stepEndsMs.at(-1)!;
  }

  /** The number of the step at this time. */
  stepAt(nowMs: number): number {
    const at = this.stepEndsMs.findIndex((endMs) => nowMs < endMs);
    return at < 0 ? this.steps.length - 1 : at;
  }

  /** Shakes per second that were answered in a step that is over. */
  answeredPerSecond(step: number): number {
    const { latencies } = this.stepResults[step]!;
    return (latencies.length * 1000) / this.steps[step]!.ms;
  }

  stepEndMs(step: number): number {
    return this.stepEndsMs[step]!;
  }

  /** The phone that shakes now what was due then; undefined: there is none, and nobody shakes it. */
  take(dueMs: number, nowMs: number): number | undefined {
    const period = this.periodAt(dueMs);
    const phone = nowMs - dueMs >= this.patienceMs ? undefined : this.next();
    if (phone === undefined) {
      period.unsent += 1;
      return undefined;
    }
    this.dueMs[phone] = dueMs;
    this.waiting.push({ phone, dueMs });
    period.sent += 1;
    this.stepResults[this.stepAt(dueMs)]!.lags.push(nowMs - dueMs);
    return phone;
  }

  /** Undefined: whose turn it is waits, and so do all who could come in his place. */
  private next(): number | undefined {
    const phone = this.nextPhone;
    this.nextPhone = (phone + this.stride) % this.phones;
    if (!this.isWaiting(phone)) return phone;
    if (this.spares === 0) return undefined;
    const spare = this.nextSpare;
    this.nextSpare = spare + 1 < this.phones + this.spares ? spare + 1 : this.phones;
    return this.isWaiting(spare) ? undefined : spare;
  }

  /** It comes for one shake. */
  isSpare(phone: number): boolean {
    return phone >= this.phones;
  }

  /** The shake of this phone needs a new connection. */
  connects(phone: number): void {
    this.periodAt(this.dueMs[phone]!).connected += 1;
  }

  isWaiting(phone: number): boolean {
    return this.dueMs[phone] !== noShake;
  }

  /** The shake of a phone that is waiting has ended; the phone is idle again. */
  end(phone: number, how: ShakeEnd, nowMs: number): void {
    const dueMs = this.dueMs[phone]!;
    this.periodAt(dueMs)[how] += 1;
    if (how === 'decided' || how === 'rested') {
      this.answered += 1;
      this.periodAt(nowMs).answers += 1;
      this.stepResults[this.stepAt(dueMs)]!.latencies.push(nowMs - dueMs);
    }
    this.dueMs[phone] = noShake;
  }

  /** A phone whose patience is over; its shake has ended. */
  nextGivenUp(nowMs: number): number | undefined {
    for (; this.waitingAt < this.waiting.length; this.waitingAt++) {
      const { phone, dueMs } = this.waiting[this.waitingAt]!;
      if (this.dueMs[phone] !== dueMs) continue;
      if (nowMs - dueMs < this.patienceMs) break;
      this.waitingAt += 1;
      this.end(phone, 'gaveUp', nowMs);
      return phone;
    }
    if (this.waitingAt > this.phones) {
      this.waiting = this.waiting.slice(this.waitingAt);
      this.waitingAt = 0;
    }
    return undefined;
  }

  /** What is known at the end. Those who still wait have given up. */
  summary(nowMs: number): { periods: ShakesPeriod[]; steps: ImpatientStepResult[] } {
    for (let phone = 0; phone < this.dueMs.length; phone++) if (this.isWaiting(phone)) this.end(phone, 'gaveUp', nowMs);
    const steps = this.stepResults.map(({ latencies, lags }, step) => ({
      fromMs: (step === 0 ? this.startMs : this.stepEndMs(step - 1)) - this.startMs,
      untilMs: Math.min(this.stepEndMs(step), nowMs) - this.startMs,
      p50Ms: quantileOf(latencies, 0.5),
      p99Ms: quantileOf(latencies, 0.99),
      lagP99Ms: quantileOf(lags, 0.99),
    }));
    return { periods: this.periods, steps };
  }

  private periodAt(dueMs: number): ShakesPeriod {
    const at = Math.max(0, Math.floor((dueMs - this.startMs) / shakesPeriodMs));
    while (this.periods.length <= at) this.periods.push(emptyPeriod());
    return this.periods[at]!;
  }
}

/** Goes through all of them in another order than that in which they came: whoever treats early comers apart must not meet them all at once. */
function strideOf(count: number): number {
  let stride = Math.max(1, Math.round(count * 0.618));
  while (divisorOf(stride, count) > 1) stride += 1;
  return stride;
}

function divisorOf(a: number, b: number): number {
  return b === 0 ? a : divisorOf(b, a % b);
}

export const emptyPeriod = (): ShakesPeriod => ({
  sent: 0,
  unsent: 0,
  decided: 0,
  rested: 0,
  refused: 0,
  cutOff: 0,
  gaveUp: 0,
  connected: 0,
  answers: 0,
});

function quantileOf(values: readonly number[], fraction: number): number {
  return values.length === 0 ? 0 : quantile(Float64Array.from(values).sort(), fraction);
}
