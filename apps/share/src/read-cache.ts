import { ProblemError } from '#libs/runtime';

export interface ReadCacheOptions<Value> {
  /** Copies kept; the one that was not asked for the longest leaves first. */
  readonly entriesMax: number;
  /** Loads under way; one more is not begun, an old copy or `overloaded` is the answer. */
  readonly loadsInFlightMax: number;
  /** How old a copy may be that is served because its source fails or is busy, in milliseconds. */
  readonly staleMaxMs: number;
  readonly load: (key: string) => Promise<Value>;
  /** Monotonic milliseconds. */
  readonly monotonicMs?: () => number;
}

interface Entry<Value> {
  readonly value: Value;
  readonly loadedAtMs: number;
  /** It is known that the source says something else by now: good only when the source cannot be asked. */
  isOutdated: boolean;
}

/** A bounded cache of reads with one load per key at a time: however many ask, the source sees one question. */
export class ReadCache<Value> {
  private readonly entries = new Map<string, Entry<Value>>();
  private readonly loads = new Map<string, Promise<Value>>();
  /** Loads that run, those that will not be kept too. */
  private loadsInFlight = 0;
  private readonly monotonicMs: () => number;

  constructor(private readonly options: ReadCacheOptions<Value>) {
    this.monotonicMs = options.monotonicMs ?? (() => performance.now());
  }

  /**
   * A copy that is at most `maxAgeMs(copy)` old, loaded when there is none. When the source is away or busy (the load throws a
   * ProblemError), a copy up to `staleMaxMs` old.
   * @throws what the load threw, or ProblemError `overloaded` when too many loads are under way, and there is no such copy.
   */
  async get(key: string, maxAgeMs: (value: Value) => number): Promise<Value> {
    const entry = this.touch(key);
    if (entry !== undefined && !entry.isOutdated && this.ageMs(entry) <= maxAgeMs(entry.value)) return entry.value;
    try {
      return await this.loadOnce(key);
    } catch (error) {
      const isExpected = error instanceof ProblemError;
      if (isExpected && entry !== undefined && this.ageMs(entry) <= this.options.staleMaxMs) return entry.value;
      throw error;
    }
  }

  /** The copy in hand, however old. */
  peek(key: string): Value | undefined {
    return this.entries.get(key)?.value;
  }

  /** The source has changed: the next one who asks has it loaded, and a load under way, which may be too old, is not kept. */
  outdate(key: string): void {
    const entry = this.entries.get(key);
    if (entry !== undefined) entry.isOutdated = true;
    this.loads.delete(key);
  }

  private loadOnce(key: string): Promise<Value> {
    const under = this.loads.get(key);
    if (under !== undefined) return under;
    if (this.loadsInFlight >= this.options.loadsInFlightMax)
      return Promise.reject(new ProblemError('overloaded', 'too many reads are under way'));
    const load = this.begin(key);
    this.loads.set(key, load);
    return load;
  }

  private begin(key: string): Promise<Value> {
    this.loadsInFlight += 1;
    const load: Promise<Value> = this.options
      .load(key)
      .then((value) => {
        if (this.loads.get(key) === load) this.store(key, value);
        return value;
      })
      .finally(() => {
        this.loadsInFlight -= 1;
        if (this.loads.get(key) === load) this.loads.delete(key);
      });
    return load;
  }

  private store(key: string, value: Value): void {
    this.entries.delete(key);
    this.entries.set(key, { value, loadedAtMs: this.monotonicMs(), isOutdated: false });
    if (this.entries.size <= this.options.entriesMax) return;
    const oldest = this.entries.keys().next();
    if (!oldest.done) this.entries.delete(oldest.value);
  }

  private touch(key: string): Entry<Value> | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry;
  }

  private ageMs(entry: Entry<Value>): number {
    return this.monotonicMs() - entry.loadedAtMs;
  }
}
