import { quantile } from '../measure/statistics.ts';
import { type ImpatientStep, type ImpatientStepResult, type ShakesPeriod, shakesPeriodMs } from './plans.ts';

/** How a shake ended, told once for each that was sent. */
export type ShakeEnd = 'decided' | 'rested' | 'refused' | 'cutOff' | 'gaveUp';

const noShake = -1;

/**
 * Who shakes next, who is waiting, and what became of every shake. Phones take turns: the one that has been idle longest is next. Times
 * are monotonic milliseconds.
 */
export class ImpatientPhones {
  /** Shakes that were decided or rested. */
  answered = 0;
  private readonly periods: ShakesPeriod[] = [];
  private readonly stepResults: { latencies: number[]; lags: number[] }[];
  private readonly stepEndsMs: readonly number[];
  /** Of each phone, when the shake under way was due; `noShake`: it has none. */
  private readonly dueMs: Float64Array;
  private readonly idle: Int32Array;
  private idleAt = 0;
  private idleCount: number;
  /** Shakes in the order in which they were due; a phone that has had its answer is passed over. */
  private waiting: { readonly phone: number; readonly dueMs: number }[] = [];
  private waitingAt = 0;

  constructor(
    private readonly phones: number,
    private readonly patienceMs: number,
    private readonly steps: readonly ImpatientStep[],
    private readonly startMs: number,
  ) {
    this.dueMs = new Float64Array(phones).fill(noShake);
    this.idle = Int32Array.from({ length: phones }, (_, phone) => phone);
    this.idleCount = phones;
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
    if (this.idleCount === 0 || nowMs - dueMs >= this.patienceMs) {
      period.unsent += 1;
      return undefined;
    }
    const phone = this.idle[this.idleAt]!;
    this.idleAt = (this.idleAt + 1) % this.phones;
    this.idleCount -= 1;
    this.dueMs[phone] = dueMs;
    this.waiting.push({ phone, dueMs });
    period.sent += 1;
    this.stepResults[this.stepAt(dueMs)]!.lags.push(nowMs - dueMs);
    return phone;
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
      this.stepResults[this.stepAt(dueMs)]!.latencies.push(nowMs - dueMs);
    }
    this.dueMs[phone] = noShake;
    this.idle[(this.idleAt + this.idleCount) % this.phones] = phone;
    this.idleCount += 1;
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
    for (let phone = 0; phone < this.phones; phone++) if (this.isWaiting(phone)) this.end(phone, 'gaveUp', nowMs);
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

export const emptyPeriod = (): ShakesPeriod => ({
  sent: 0,
  unsent: 0,
  decided: 0,
  rested: 0,
  refused: 0,
  cutOff: 0,
  gaveUp: 0,
  connected: 0,
});

function quantileOf(values: readonly number[], fraction: number): number {
  return values.length === 0 ? 0 : quantile(Float64Array.from(values).sort(), fraction);
}
