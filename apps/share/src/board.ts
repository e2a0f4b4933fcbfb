/** One packet on the leaderboard. Times are store-clock milliseconds. */
export interface Leader {
  readonly userId: string;
  readonly amountFen: number;
  readonly atMs: number;
}

/** Places on a leaderboard. */
export const leadersMax = 50;

/** The larger amount leads; of equal ones the earlier; then the name, so that every process shows one order. */
function compareLeaders(a: Leader, b: Leader): number {
  return b.amountFen - a.amountFen || a.atMs - b.atMs || (a.userId < b.userId ? -1 : 1);
}

/**
 * The luckiest of one event: each user's best packet, the best `leadersMax` of them. Offers may come in any order and more than
 * once: the outcome is the same.
 */
export class Board {
  private leaders: readonly Leader[] = [];

  /** The leaders, best first: the same array as long as nothing changes. */
  list(): readonly Leader[] {
    return this.leaders;
  }

  /** Most offers end at the first comparison: they are not better than the last place of a full board. */
  offer(leader: Leader): void {
    const last = this.leaders[leadersMax - 1];
    if (last !== undefined && compareLeaders(leader, last) >= 0) return;
    const own = this.leaders.find(({ userId }) => userId === leader.userId);
    if (own !== undefined && compareLeaders(leader, own) >= 0) return;
    const others = this.leaders.filter((other) => other !== own);
    this.leaders = [...others, leader].sort(compareLeaders).slice(0, leadersMax);
  }
}
