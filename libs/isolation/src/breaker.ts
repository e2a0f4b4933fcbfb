/**
 * `closed`: calls go through. `open`: none does. `probing`: a few do, more with each that succeeds.
 *
 *   closed   half of the calls watched have failed   → open
 *   open     its time is up, and somebody calls      → probing
 *   probing  a probe fails                           → open, for twice as long
 *   probing  enough probes have succeeded            → closed
 */
export type BreakerState = 'closed' | 'open' | 'probing';

/** How a call went; `unknown` says nothing about the dependency (the caller gave up for reasons of its own). */
export type CallOutcome = 'ok' | 'failed' | 'unknown';

/** The right to one call; told once how it went. */
export type Permit = (outcome: CallOutcome) => void;

export interface BreakerOptions {
  /** The latest calls that are looked at. */
  readonly callsWatched?: number;
  /** It opens when so many of them have failed. */
  readonly failuresMax?: number;
  /** How long nothing is asked, at first and at most: twice as long after each probe that fails. */
  readonly openFirstMs?: number;
  readonly openMaxMs?: number;
  /** Probes that must succeed before everything goes through again; the first one alone, then one more at a time with each success. */
  readonly probesToClose?: number;
  /** Monotonic milliseconds. */
  readonly monotonicMs?: () => number;
}

const defaults = { callsWatched: 32, failuresMax: 16, openFirstMs: 500, openMaxMs: 5000, probesToClose: 16 };

/**
 * Keeps callers from waiting for a dependency that fails or hangs: what would wait is refused at once, and the dependency is left alone
 * until a probe finds it well. It comes back by stages, so that whoever waited does not fall upon it all at once. It decides by numbers of
 * calls, not by rates: where little is asked it opens late, and little is lost. No timers, no I/O.
 */
export class Breaker {
  private readonly options: Required<Omit<BreakerOptions, 'monotonicMs'>>;
  private readonly monotonicMs: () => number;
  private current: BreakerState = 'closed';
  /** Outcomes of the latest calls, 1 for a failure, in a ring. */
  private readonly watched: Uint8Array;
  private at = 0;
  private failures = 0;
  private openMs: number;
  private openedAtMs = 0;
  private probesUnderWay = 0;
  private probesGood = 0;
  /** Calls that were let in before the last transition say nothing about what is now. */
  private era = 0;
  private openings = 0;

  constructor(options: BreakerOptions = {}) {
    const { monotonicMs = () => performance.now(), ...rest } = options;
    this.options = { ...defaults, ...rest };
    this.monotonicMs = monotonicMs;
    this.watched = new Uint8Array(this.options.callsWatched);
    this.openMs = this.options.openFirstMs;
  }

  get state(): BreakerState {
    return this.current;
  }

  /** How often it has opened. */
  get openCount(): number {
    return this.openings;
  }

  /** The right to call, or `undefined`: the dependency is not to be asked now. */
  enter(): Permit | undefined {
    if (this.current === 'open' && this.monotonicMs() - this.openedAtMs >= this.openMs) this.moveTo('probing');
    if (this.current === 'open') return undefined;
    if (this.current === 'probing') {
      if (this.probesUnderWay > this.probesGood) return undefined;
      this.probesUnderWay += 1;
    }
    return this.permit(this.era);
  }

  private permit(era: number): Permit {
    let isTold = false;
    return (outcome) => {
      if (isTold || era !== this.era) return;
      isTold = true;
      if (this.current === 'closed') this.watch(outcome);
      else this.judgeProbe(outcome);
    };
  }

  private watch(outcome: CallOutcome): void {
    if (outcome === 'unknown') return;
    const failed = outcome === 'failed' ? 1 : 0;
    this.failures += failed - this.watched[this.at]!;
    this.watched[this.at] = failed;
    this.at = (this.at + 1) % this.watched.length;
    if (this.failures >= this.options.failuresMax) this.moveTo('open');
  }

  private judgeProbe(outcome: CallOutcome): void {
    this.probesUnderWay -= 1;
    if (outcome === 'failed') {
      this.openMs = Math.min(this.openMs * 2, this.options.openMaxMs);
      this.moveTo('open');
    } else if (outcome === 'ok') {
      this.probesGood += 1;
      if (this.probesGood >= this.options.probesToClose) this.moveTo('closed');
    }
  }

  private moveTo(next: BreakerState): void {
    this.current = next;
    this.era += 1;
    this.probesUnderWay = 0;
    this.probesGood = 0;
    if (next === 'open') {
      this.openedAtMs = this.monotonicMs();
      this.openings += 1;
    }
    if (next !== 'closed') return;
    this.watched.fill(0);
    this.failures = 0;
    this.openMs = this.options.openFirstMs;
  }
}
