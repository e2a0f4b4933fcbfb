import { DueUsers } from './due-users.ts';
import { type CrowdPeriod, type CrowdPlan, type CrowdResult, crowdPeriodMs } from './plans.ts';

/** A user whose request was lost tries again after this. */
const retryMs = 1000;

interface Period {
  decided: number;
  rests: number;
  waits: number;
  waitedMs: number;
}

/** The clients of a crowd: who shakes when, and how it went. Times are monotonic milliseconds. */
export class Crowd {
  endMs = Number.POSITIVE_INFINITY;
  private startMs: number;
  private due: DueUsers;
  /** Those who are due and have no connection yet, in the order in which they came. */
  private line: number[] = [];
  private lineAt = 0;
  /** When each user's last shake was decided. */
  private readonly decidedAt: Float64Array;
  private readonly periods: Period[] = [];
  private out = 0;
  private longestTurnMs = 0;
  private longestWaitToldMs = 0;

  constructor(
    private readonly plan: Pick<CrowdPlan, 'users' | 'intervalMs' | 'fullMs' | 'thinShare' | 'thinMs'>,
    startMs: number,
    private readonly random: () => number = Math.random,
  ) {
    this.startMs = startMs;
    this.due = new DueUsers(startMs);
    this.decidedAt = new Float64Array(plan.users);
  }

  /** Everybody shakes first within one interval from now. */
  begin(nowMs: number): void {
    this.startMs = nowMs;
    this.endMs = nowMs + this.plan.fullMs + this.plan.thinMs;
    this.due = new DueUsers(nowMs);
    for (let user = 0; user < this.plan.users; user++) {
      const firstMs = nowMs + this.random() * this.plan.intervalMs;
      this.decidedAt[user] = firstMs;
      this.due.enter(user, firstMs);
    }
  }

  /** Puts who is due by now in the line. */
  wake(nowMs: number): void {
    const stay = nowMs < this.startMs + this.plan.fullMs ? this.plan.users : this.plan.users * this.plan.thinShare;
    this.due.take(nowMs, (user) => {
      if (user < stay) this.line.push(user);
      else this.decidedAt[user] = Number.POSITIVE_INFINITY;
    });
  }

  /** The first in the line. */
  nextDue(): number | undefined {
    if (this.lineAt === this.line.length) {
      this.line = [];
      this.lineAt = 0;
      return undefined;
    }
    this.lineAt += 1;
    return this.line[this.lineAt - 1];
  }

  /** `letter`: the first of the result; a user who is told no next shake is out. */
  answered(user: number, nowMs: number, letter: string, waitMs: number | undefined): void {
    const period = this.periodAt(nowMs);
    if (letter === 'r') period.rests += 1;
    else this.decided(user, nowMs, period);
    if (waitMs === undefined) {
      this.out += 1;
      this.decidedAt[user] = Number.POSITIVE_INFINITY;
      return;
    }
    period.waits += 1;
    period.waitedMs += waitMs;
    this.longestWaitToldMs = Math.max(this.longestWaitToldMs, waitMs);
    this.due.enter(user, nowMs + waitMs);
  }

  lost(user: number, nowMs: number): void {
    this.due.enter(user, nowMs + retryMs);
  }

  summary(nowMs: number): Omit<CrowdResult, 'failed' | 'closed'> {
    for (const decidedAt of this.decidedAt) this.longestTurnMs = Math.max(this.longestTurnMs, nowMs - decidedAt);
    const { out, longestTurnMs, longestWaitToldMs } = this;
    return { out, longestTurnMs, longestWaitToldMs, periods: this.periods.map(periodFigures) };
  }

  private decided(user: number, nowMs: number, period: Period): void {
    period.decided += 1;
    this.longestTurnMs = Math.max(this.longestTurnMs, nowMs - this.decidedAt[user]!);
    this.decidedAt[user] = nowMs;
  }

  private periodAt(nowMs: number): Period {
    const at = Math.max(0, Math.floor((nowMs - this.startMs) / crowdPeriodMs));
    while (this.periods.length <= at) this.periods.push({ decided: 0, rests: 0, waits: 0, waitedMs: 0 });
    return this.periods[at]!;
  }
}

function periodFigures({ decided, rests, waits, waitedMs }: Period): CrowdPeriod {
  return { decided, rests, meanWaitMs: waits === 0 ? 0 : Math.round(waitedMs / waits) };
}
