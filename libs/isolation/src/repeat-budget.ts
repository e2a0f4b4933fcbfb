export interface RepeatBudgetOptions {
  /** Repetitions in hand at most. */
  readonly budgetMax?: number;
  /** What each call earns: the share of repetitions once the budget is used up. */
  readonly ratio?: number;
}

const defaults = { budgetMax: 10, ratio: 0.1 };

/** Bounds what is asked twice: when everything fails, a tenth of the calls is repeated and not all of them. */
export class RepeatBudget {
  private readonly budgetMax: number;
  private readonly ratio: number;
  private tokens: number;

  constructor(options: RepeatBudgetOptions = {}) {
    const { budgetMax, ratio } = { ...defaults, ...options };
    this.budgetMax = budgetMax;
    this.ratio = ratio;
    this.tokens = budgetMax;
  }

  /** A call that is no repetition. */
  earn(): void {
    this.tokens = Math.min(this.budgetMax, this.tokens + this.ratio);
  }

  /** Takes one repetition; false: there is none to be had. */
  take(): boolean {
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
