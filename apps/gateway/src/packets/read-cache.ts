export interface ReadCacheOptions {
  readonly entriesMax: number;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
  /** Tells from an error of a read that the source is away: then a copy of any age serves. */
  readonly isAway: (error: unknown) => boolean;
}

interface Entry<Value> {
  readonly value: Value;
  readonly readAtMs: number;
}

/** Copies of what another service answered: they serve while they are young enough for the asker, or when the source is away. */
export class ReadCache<Value> {
  private readonly entries = new Map<string, Entry<Value>>();

  constructor(private readonly options: ReadCacheOptions) {}

  /**
   * The value of a key: a copy of at most `ageMaxMs` (0: none), else what `read` gives.
   * @throws what `read` throws, unless the source is away and there is a copy.
   */
  async get(key: string, ageMaxMs: number, read: () => Promise<Value>): Promise<Value> {
    const copy = this.entries.get(key);
    if (copy !== undefined && this.options.monotonicMs() - copy.readAtMs < ageMaxMs) return copy.value;
    try {
      return this.keep(key, await read());
    } catch (error) {
      if (copy === undefined || !this.options.isAway(error)) throw error;
      return copy.value;
    }
  }

  private keep(key: string, value: Value): Value {
    this.entries.delete(key);
    this.entries.set(key, { value, readAtMs: this.options.monotonicMs() });
    if (this.entries.size > this.options.entriesMax) this.entries.delete(this.entries.keys().next().value!);
    return value;
  }
}
