import { type StockAnswer, tallyPeriodMs } from '#libs/redis';

/** Visits lie this long after the end of the period that they tally: the last tick of it has been, and all are through well before the next end. */
const visitDelayMinMs = 120;
const visitSpreadMs = 200;
/** Totals that lack a gateway are not believed at once: it may be late. After so many it is gone. */
const shrunkTotalsMax = 2;

type Answered = Extract<StockAnswer, { status: 'ok' }>;

/** When the visit after the end of the current tally period is due; `fraction`: uniform in [0, 1). Store-clock milliseconds. */
export function nextVisitAtMs(nowMs: number, fraction: number): number {
  const endsAtMs = (Math.floor(nowMs / tallyPeriodMs) + 1) * tallyPeriodMs;
  return endsAtMs + visitDelayMinMs + Math.floor(fraction * visitSpreadMs);
}

/** Reads the answers of visits one after the other: how many gateways there are, and whether the totals are of all of them. */
export class VisitAnswers {
  private gateways = 1;
  private shrunk = 0;
  private period = -1;

  /** The answer, without totals that are not believed or were read before; and the gateways that shake, at least 1. */
  read(answer: Answered): { readonly answer: Answered; readonly gateways: number } {
    const { totals, ...rest } = answer;
    if (totals === undefined || totals.period <= this.period) return { answer: rest, gateways: this.gateways };
    this.period = totals.period;
    this.shrunk = totals.gateways < this.gateways ? this.shrunk + 1 : 0;
    if (this.shrunk > 0 && this.shrunk <= shrunkTotalsMax) return { answer: rest, gateways: this.gateways };
    this.shrunk = 0;
    this.gateways = totals.gateways;
    return { answer, gateways: this.gateways };
  }
}
