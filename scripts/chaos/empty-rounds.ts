import type { RoundResult } from './round.ts';

/** Of the rounds that a run was asked for, so many may be empty. */
const emptyShareMax = 0.1;

/** True when nobody was granted anything, so that nothing could break: such a round does not say that anything holds. */
export function isEmptyRound({ violations, ledger }: Pick<RoundResult, 'violations' | 'ledger'>): boolean {
  return violations.length === 0 && ledger.grants.length === 0;
}

/** The empty rounds of a run: each is played once more, under another number, while they are few. */
export class EmptyRounds {
  private found = 0;
  private readonly foundMax: number;

  /** @param rounds that the run was asked for; of fewer than ten one may be empty. */
  constructor(private readonly rounds: number) {
    this.foundMax = Math.max(1, Math.floor(rounds * emptyShareMax));
  }

  /** Notes one; false when there were too many to go on. */
  add(): boolean {
    this.found += 1;
    return !this.areTooMany;
  }

  get areTooMany(): boolean {
    return this.found > this.foundMax;
  }

  /** What there is to say of them at the end of the run, if anything. */
  lines(): string[] {
    if (this.found === 0) return [];
    const count = this.found === 1 ? '1 round was' : `${this.found} rounds were`;
    if (!this.areTooMany) return [`${count} empty: nobody was granted anything, and the next ones were played instead`];
    return [`${count} empty, of ${this.rounds} asked for: more than a tenth, so this run proves too little`];
  }
}
