import type { HongbaoOps } from '#libs/client';
import type { Meters } from './meters.ts';
import { isPassingError } from './patience.ts';

/** One second of the night. */
export interface Sample {
  readonly second: number;
  readonly shakesPerSecond: number;
  readonly hits: number;
  readonly credited: number;
  readonly opening: number;
  readonly pending: number;
  readonly grabs: number;
  readonly grabbing: number;
  readonly rest: number;
  readonly errors: number;
  readonly tier: number | undefined;
}

const sampleMs = 1000;

/** Says a line each second and keeps the figures for the report. `ops` is asked for the tier and may be away. */
export class Progress {
  readonly samples: Sample[] = [];
  private shakesBefore = 0;
  private tier: number | undefined;
  private isAsking = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly meters: Meters,
    private readonly ops: HongbaoOps,
    private readonly say: (line: string) => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.sample(), sampleMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private sample(): void {
    const { counters, opening, grabbing } = this.meters;
    const shakes = sum(counters.under('shake.'));
    const http = counters.under('http.');
    const sample: Sample = {
      second: this.samples.length + 1,
      shakesPerSecond: shakes - this.shakesBefore,
      hits: counters.get('shake.hit'),
      credited: counters.get('open.credited'),
      opening,
      pending: counters.get('http.open.202') + counters.get('http.status.202') + counters.get('http.grab.202'),
      grabs: counters.get('grab.credited'),
      grabbing,
      rest: counters.get('shake.rest'),
      errors: sum(Object.fromEntries(Object.entries(http).filter(([name]) => /\.(lost|5\d\d|429)$/.test(name)))),
      tier: this.tier,
    };
    this.shakesBefore = shakes;
    this.samples.push(sample);
    this.say(lineOf(sample));
    if (!this.isAsking) void this.askTier();
  }

  private async askTier(): Promise<void> {
    this.isAsking = true;
    try {
      this.tier = (await this.ops.degradation()).tier;
    } catch (error) {
      if (!isPassingError(error)) throw error;
      this.tier = undefined;
    } finally {
      this.isAsking = false;
    }
  }
}

function lineOf(sample: Sample): string {
  const { second, shakesPerSecond, hits, credited, opening, pending, grabs, grabbing, rest, errors, tier } = sample;
  return [
    `${String(second).padStart(4)} s`,
    `${String(shakesPerSecond).padStart(5)} shakes/s`,
    `hits ${hits}`,
    `credited ${credited} (+${opening} open)`,
    `grabs ${grabs} (+${grabbing})`,
    `pending ${pending}`,
    `rest ${rest}`,
    `errors ${errors}`,
    `tier ${tier ?? '?'}`,
  ].join('  ');
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
