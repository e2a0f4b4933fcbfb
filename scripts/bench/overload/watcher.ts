import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { listGatewaySamples } from '#libs/redis';
import type { BenchSystem } from '../opens/bench-system.ts';

const lookMs = 250;
const sampleSchema = z.object({
  role: z.enum(['all', 'shake', 'money']),
  admissionLevel: z.number(),
  admissionSinceMs: z.number().optional(),
});

export interface Look {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The tier in force, and how far the process with the shakes has stepped back by itself. */
  readonly tier: number;
  readonly level: number;
  /** Since when it has; undefined: it has not. */
  readonly sinceMs?: number | undefined;
}

/** Looks at the tier and at the level of the process with the shakes, a few times a second. */
export class Watcher {
  readonly looks: Look[] = [];
  private readonly ending = new AbortController();
  private watching: Promise<void> = Promise.resolve();

  constructor(private readonly system: BenchSystem) {}

  start(): void {
    this.watching = this.watch();
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.watching;
  }

  /** Resolves when the system has stepped back from nothing any more, or after `msMax`. */
  async untilBack(msMax: number): Promise<void> {
    const deadline = Date.now() + msMax;
    for (;;) {
      await delay(lookMs);
      const last = this.looks.at(-1);
      if (Date.now() > deadline || (last?.tier === 0 && last.level === 0)) return;
    }
  }

  private async watch(): Promise<void> {
    while (!this.ending.signal.aborted) {
      const { tier } = await this.system.ops.degradation();
      const all = await listGatewaySamples(this.system.cache);
      const samples = all.map(({ sample }) => sampleSchema.parse(sample));
      const own = samples.find(({ role }) => role !== 'money');
      // a process that writes no sample any more is not seen; what it did last holds
      const { level, sinceMs } = this.looks.at(-1) ?? { level: 0, sinceMs: undefined };
      const seen =
        own === undefined ? { level, sinceMs } : { level: own.admissionLevel, sinceMs: own.admissionSinceMs };
      this.looks.push({ atMs: Date.now(), tier, ...seen });
      await delay(lookMs);
    }
  }
}
