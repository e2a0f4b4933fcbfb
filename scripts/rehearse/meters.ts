/** Counters by name. */
export class Counters {
  private readonly counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  get(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** Counters whose name starts with `prefix`, without it, most frequent first. */
  under(prefix: string): Record<string, number> {
    const found = [...this.counts].filter(([name]) => name.startsWith(prefix));
    found.sort(([, a], [, b]) => b - a);
    return Object.fromEntries(found.map(([name, count]) => [name.slice(prefix.length), count]));
  }
}

const firstBucketMs = 0.1;
const bucketGrowth = 1.05;
/** 0.1 ms × 1.05^320 is about ten minutes, the longest that a call is pursued. */
const bucketCount = 320;

export interface LatencySummary {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Latencies in buckets that grow by 5 %: bounded memory, percentiles at most 5 % too high. */
export class LatencyHistogram {
  private readonly buckets = new Uint32Array(bucketCount);
  private count = 0;
  private maxMs = 0;

  record(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, firstBucketMs) / firstBucketMs) / Math.log(bucketGrowth));
    const bucket = Math.min(index, bucketCount - 1);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.count += 1;
    this.maxMs = Math.max(this.maxMs, ms);
  }

  /** Upper bound of the bucket that holds the part `fraction` of the values; 0 without values. */
  percentileMs(fraction: number): number {
    const rank = Math.ceil(this.count * fraction);
    let seen = 0;
    for (const [index, count] of this.buckets.entries()) {
      seen += count;
      if (seen >= rank && seen > 0) return Math.min(firstBucketMs * bucketGrowth ** index, this.maxMs);
    }
    return this.maxMs;
  }

  summary(): LatencySummary {
    const rounded = (ms: number): number => Math.round(ms * 10) / 10;
    return {
      count: this.count,
      p50Ms: rounded(this.percentileMs(0.5)),
      p90Ms: rounded(this.percentileMs(0.9)),
      p99Ms: rounded(this.percentileMs(0.99)),
      maxMs: rounded(this.maxMs),
    };
  }
}

export const latencyNames = ['shake', 'open→credited', 'open→denied', 'grab'] as const;
export type LatencyName = (typeof latencyNames)[number];

/** Everything the rehearsal measures of itself. */
export class Meters {
  readonly counters = new Counters();
  readonly latencies: Readonly<Record<LatencyName, LatencyHistogram>> = {
    shake: new LatencyHistogram(),
    'open→credited': new LatencyHistogram(),
    'open→denied': new LatencyHistogram(),
    grab: new LatencyHistogram(),
  };
  /** Opens and grabs that have no outcome yet. */
  opening = 0;
  grabbing = 0;
}
