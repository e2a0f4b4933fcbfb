import type { ShakeWin } from '#libs/domain';
import { tallyPeriodMs } from '#libs/redis';

/** Chances are tuned, and issue budgets dealt, this often. */
export const tickMs = 100;

/** Shakes are counted over this many ticks: one second, long enough to see through a single user's pauses. */
const windowTicks = 10;
/** From so many shakes in one tick on, the tick alone says how many come: a burst is believed at once, a few users are not one. */
const burstShakesMin = 10;
/** An event counts as shaken for so long after a shake: no client is told to wait longer. */
const shakenForMs = 12_000;
/** Tally periods whose counts are kept: those of the longest window in which demand is looked at, and the time until it is known. */
const periodsKept = 32;

interface TickCount {
  readonly elapsedMs: number;
  readonly shakes: number;
  /** Of these, shakes of users who hold a packet of the sponsor, by sponsor number. */
  readonly held: ReadonlyMap<number, number>;
}

interface PeriodCount {
  readonly period: number;
  shakes: number;
  readonly held: Map<number, number>;
}

const noneHeld: ReadonlyMap<number, number> = new Map();

/** The tally period in which an instant of the store clock lies. */
export const periodOf = (storeMs: number): number => Math.floor(storeMs / tallyPeriodMs);

/** How many distinct shakes of one event come: per second, and in each tally period. Times are store-clock milliseconds. */
export class ShakeRate {
  private readonly window: TickCount[] = Array.from({ length: windowTicks }, () => ({
    elapsedMs: tickMs,
    shakes: 0,
    held: noneHeld,
  }));
  private readonly periods: (PeriodCount | undefined)[] = [];
  private tickNo = 0;
  private tickedAtMs: number | undefined;
  private shakenAtMs = Number.NEGATIVE_INFINITY;
  private shakesInTick = 0;
  private heldInTick = new Map<number, number>();
  private shakesPerSecond = 0;

  /** As of the last tick. */
  get perSecond(): number {
    return this.shakesPerSecond;
  }

  /** True while shakes come, however seldom. */
  get isShaken(): boolean {
    return this.shakesInTick > 0 || (this.tickedAtMs ?? 0) - this.shakenAtMs < shakenForMs;
  }

  /** Counts one shake: one user in one slot, however often it is repeated; `wins`: what the user holds. */
  count(wins: readonly ShakeWin[]): void {
    this.shakesInTick += 1;
    for (const { sponsorNo } of wins) addTo(this.heldInTick, sponsorNo, 1);
  }

  /** Shakes per second of users who may still win a packet of this sponsor. */
  perSecondWithout(sponsorNo: number): number {
    let shakes = 0;
    let held = 0;
    for (const tick of this.window) {
      shakes += tick.shakes;
      held += tick.held.get(sponsorNo) ?? 0;
    }
    // two gateways may each have given a user a packet of the sponsor: it is still one user
    return shakes === 0 ? this.shakesPerSecond : (this.shakesPerSecond * Math.max(shakes - held, 0)) / shakes;
  }

  /** Shakes in a tally period of users who may win a packet of this sponsor; 0 for a period that is forgotten. */
  inPeriodWithout(period: number, sponsorNo: number): number {
    const count = this.periods[period % periodsKept];
    return count?.period === period ? Math.max(count.shakes - (count.held.get(sponsorNo) ?? 0), 0) : 0;
  }

  /** Shakes in the latest ticks, 1 to 10 of them, and over what time they came. */
  latest(ticks: number): { readonly shakes: number; readonly elapsedMs: number } {
    const sum = { shakes: 0, elapsedMs: 0 };
    for (let back = 1; back <= ticks; back++) {
      const tick = this.window[(this.tickNo + windowTicks - back) % windowTicks]!;
      sum.shakes += tick.shakes;
      sum.elapsedMs += tick.elapsedMs;
    }
    return sum;
  }

  tick(nowMs: number): void {
    // a busy process ticks late: what counts is the time that went by
    const elapsedMs = Math.max(nowMs - (this.tickedAtMs ?? nowMs - tickMs), tickMs);
    this.tickedAtMs = nowMs;
    const latest = { elapsedMs, shakes: this.shakesInTick, held: this.heldInTick };
    if (latest.shakes > 0) this.shakenAtMs = nowMs;
    this.window[this.tickNo % windowTicks] = latest;
    this.tickNo += 1;
    this.addToPeriod(periodOf(nowMs - 1), latest);
    this.shakesInTick = 0;
    if (this.heldInTick.size > 0) this.heldInTick = new Map();
    const average = averageOf(this.window);
    const isBurst = latest.shakes >= burstShakesMin;
    this.shakesPerSecond = isBurst ? Math.max(average, averageOf([latest])) : average;
  }

  private addToPeriod(period: number, { shakes, held }: TickCount): void {
    const at = period % periodsKept;
    const known = this.periods[at];
    const count = known?.period === period ? known : { period, shakes: 0, held: new Map<number, number>() };
    this.periods[at] = count;
    count.shakes += shakes;
    for (const [sponsorNo, holders] of held) addTo(count.held, sponsorNo, holders);
  }
}

function addTo(counts: Map<number, number>, key: number, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function averageOf(ticks: readonly TickCount[]): number {
  let shakes = 0;
  let elapsedMs = 0;
  for (const tick of ticks) {
    shakes += tick.shakes;
    elapsedMs += tick.elapsedMs;
  }
  return (shakes * 1000) / elapsedMs;
}
