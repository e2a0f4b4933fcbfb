export interface FailureLimiterOptions {
  /** Failures in a row after which there is a wait. */
  readonly failuresMax: number;
  /** One failure is forgotten after this long. */
  readonly forgetMs: number;
  /** Sources remembered; the one that failed the longest ago leaves first. */
  readonly sourcesMax: number;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
}

/** What a source failed with lately: so many are remembered to be told from new ones. */
export const latestMax = 16;

interface Failures {
  readonly count: number;
  readonly atMs: number;
  /** Newest first, `latestMax` at most. */
  readonly latest: readonly number[];
}

/**
 * Slows down guessing: counts failed attempts per source, leaking one per `forgetMs`, in bounded memory. Who fails with the same thing
 * again and again has made one attempt: it tells him nothing new.
 */
export class FailureLimiter {
  private readonly failures = new Map<string, Failures>();

  constructor(private readonly options: FailureLimiterOptions) {}

  /** Sources remembered. */
  get size(): number {
    return this.failures.size;
  }

  /** Milliseconds until the source may try something new again; 0 when it may now. */
  waitMs(source: string): number {
    const excess = this.countOf(source) - this.options.failuresMax + 1;
    return excess <= 0 ? 0 : Math.ceil(excess * this.options.forgetMs);
  }

  /** `what`: stands for what was tried. */
  fail(source: string, what: number): void {
    const before = this.failures.get(source)?.latest ?? [];
    const isRepeated = before.includes(what);
    const count = this.countOf(source) + (isRepeated ? 0 : 1);
    const latest = [what, ...before.filter((other) => other !== what)].slice(0, latestMax);
    this.failures.delete(source);
    this.failures.set(source, { count, atMs: this.options.monotonicMs(), latest });
    if (this.failures.size <= this.options.sourcesMax) return;
    const oldest = this.failures.keys().next();
    if (!oldest.done) this.failures.delete(oldest.value);
  }

  private countOf(source: string): number {
    const known = this.failures.get(source);
    if (known === undefined) return 0;
    return Math.max(0, known.count - (this.options.monotonicMs() - known.atMs) / this.options.forgetMs);
  }
}
