import type { ShakeWin } from '#libs/domain';

/** Chances are tuned, and issue budgets dealt, this often. */
export const tickMs = 100;

/** Shakes are counted over this many ticks: one second, long enough to see through a single user's pauses. */
const windowTicks = 10;
/** From so many shakes in one tick on, the tick alone says how many come: a burst is believed at once, a few users are not one. */
const burstShakesMin = 10;

interface TickCount {
  readonly elapsedMs: number;
  readonly shakes: number;
  /** Of these, shakes of users who hold a packet of the sponsor, by sponsor number. */
  readonly held: ReadonlyMap<number, number>;
}

const noneHeld: ReadonlyMap<number, number> = new Map();

/** How many distinct shakes of one event come per second. Times are store-clock milliseconds. */
export class ShakeRate {
  private readonly window: TickCount[] = Array.from({ length: windowTicks }, () => ({
    elapsedMs: tickMs,
    shakes: 0,
    held: noneHeld,
  }));
  private tickNo = 0;
  private tickedAtMs: number | undefined;
  private shakesInTick = 0;
  private heldInTick = new Map<number, number>();
  private shakesPerSecond = 0;

  /** As of the last tick. */
  get perSecond(): number {
    return this.shakesPerSecond;
  }

  /** True while shakes come. */
  get isShaken(): boolean {
    return this.shakesInTick > 0 || this.shakesPerSecond > 0;
  }

  /** Counts one shake: one user in one slot, however often it is repeated; `wins`: what the user holds. */
  count(wins: readonly ShakeWin[]): void {
    this.shakesInTick += 1;
    for (const { sponsorNo } of wins) this.heldInTick.set(sponsorNo, (this.heldInTick.get(sponsorNo) ?? 0) + 1);
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

  tick(nowMs: number): void {
    // a busy process ticks late: what counts is the time that went by
    const elapsedMs = Math.max(nowMs - (this.tickedAtMs ?? nowMs - tickMs), tickMs);
    this.tickedAtMs = nowMs;
    const latest = { elapsedMs, shakes: this.shakesInTick, held: this.heldInTick };
    this.window[this.tickNo % windowTicks] = latest;
    this.tickNo += 1;
    this.shakesInTick = 0;
    if (this.heldInTick.size > 0) this.heldInTick = new Map();
    const average = averageOf(this.window);
    const isBurst = latest.shakes >= burstShakesMin;
    this.shakesPerSecond = isBurst ? Math.max(average, averageOf([latest])) : average;
  }
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
