import { isIPv6 } from 'node:net';

export interface FailureLimiterOptions {
  /** Failures in a row after which an address has to wait. */
  readonly failuresMax: number;
  /** One failure is forgotten after this long. */
  readonly forgetMs: number;
  /** Addresses remembered; the one that failed the longest ago leaves first. */
  readonly addressesMax: number;
  /** Monotonic milliseconds. */
  readonly monotonicMs: () => number;
}

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

/** Slows down guessing: counts failed attempts per address, leaking one per `forgetMs`, in bounded memory. */
export class FailureLimiter {
  private readonly failures = new Map<string, Failures>();

  constructor(private readonly options: FailureLimiterOptions) {}

  /** Milliseconds until the address may try again; 0 when it may now. */
  waitMs(address: string): number {
    const excess = this.countOf(neighbourhoodOf(address)) - this.options.failuresMax + 1;
    return excess <= 0 ? 0 : Math.ceil(excess * this.options.forgetMs);
  }

  fail(address: string): void {
    const key = neighbourhoodOf(address);
    const count = this.countOf(key) + 1;
    this.failures.delete(key);
    this.failures.set(key, { count, atMs: this.options.monotonicMs() });
    if (this.failures.size <= this.options.addressesMax) return;
    const oldest = this.failures.keys().next();
    if (!oldest.done) this.failures.delete(oldest.value);
  }

  private countOf(key: string): number {
    const known = this.failures.get(key);
    if (known === undefined) return 0;
    return Math.max(0, known.count - (this.options.monotonicMs() - known.atMs) / this.options.forgetMs);
  }
}

/** Who has one IPv6 address has the /64 around it: they count as one. */
function neighbourhoodOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1]!;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const tailCount = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  const zeros = tail === undefined ? 0 : 8 - groups.length - tailCount;
  return [...groups, ...Array<string>(zeros).fill('0')].slice(0, 4).join(':');
}
