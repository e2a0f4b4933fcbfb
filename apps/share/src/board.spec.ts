// The board shows each user's best packet, in one order, whatever order the news came in and however often.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Board, type Leader, leadersMax } from './board.ts';

const leaderArbitrary: fc.Arbitrary<Leader> = fc.record({
  userId: fc.integer({ min: 0, max: 99 }).map((no) => `user-${no}`),
  amountFen: fc.integer({ min: 1, max: 30 }),
  atMs: fc.integer({ min: 0, max: 5 }),
});

/** The board by its definition. */
function expected(offers: readonly Leader[]): Leader[] {
  const order = (a: Leader, b: Leader) =>
    b.amountFen - a.amountFen || a.atMs - b.atMs || (a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0);
  const seen = new Set<string>();
  const best = [...offers].sort(order).filter(({ userId }) => !seen.has(userId) && seen.add(userId));
  return best.slice(0, leadersMax);
}

function boardOf(offers: readonly Leader[]): Board {
  const board = new Board();
  for (const offer of offers) board.offer(offer);
  return board;
}

describe('board', () => {
  it('is what its definition says, for any offers', () => {
    fc.assert(
      fc.property(fc.array(leaderArbitrary, { maxLength: 300 }), (offers) => {
        expect(boardOf(offers).list()).toEqual(expected(offers));
      }),
    );
  });

  it('does not depend on the order of offers, nor on repeats', () => {
    fc.assert(
      fc.property(fc.array(leaderArbitrary, { maxLength: 150 }), (offers) => {
        const again = [...offers, ...offers].reverse();
        expect(boardOf(again).list()).toEqual(boardOf(offers).list());
      }),
    );
  });

  it('keeps its list as it is when an offer changes nothing', () => {
    const board = boardOf([{ userId: 'a', amountFen: 5, atMs: 1 }]);
    const before = board.list();
    board.offer({ userId: 'a', amountFen: 4, atMs: 0 });
    expect(board.list()).toBe(before);
  });
});
