import { describe, expect, it } from 'vitest';
import { noTurn, TurnBook } from './turn-book.ts';

const userOf = (no: number) => ({ low: Math.imul(no, 0x9e3779b1), high: Math.imul(no + 1, 0x85ebca6b) });

/** Users `from` to `to` shake and are told to wait `waitMs`. */
function shake(book: TurnBook, from: number, to: number, waitMs = 1000): void {
  for (let no = from; no < to; no++) book.setTold(book.visit(userOf(no)), 1, waitMs);
}

function pass(book: TurnBook, periods: number, isBehind = false): void {
  for (let i = 0; i < periods; i++) book.endPeriod(isBehind);
}

describe('the book of turns', () => {
  it('remembers of each user the last turn and what it was told, and knows nothing of one who is new', () => {
    const book = new TurnBook();
    for (let no = 0; no < 1000; no++) {
      const place = book.visit(userOf(no));
      expect([book.turnOf(place), book.toldOf(place)]).toEqual([noTurn, noTurn]);
      book.setTurn(place, no);
      book.setTold(place, no + 7, 1000);
    }
    pass(book, 3);
    for (let no = 0; no < 1000; no++) {
      const place = book.visit(userOf(no));
      expect([book.turnOf(place), book.toldOf(place)]).toEqual([no, no + 7]);
    }
  });

  it('counts users once, however often they shake', () => {
    const book = new TurnBook();
    for (let i = 0; i < 5; i++) {
      shake(book, 0, 300);
      pass(book, 1);
    }
    expect([book.activeUsers(), book.takeArrived(), book.takeArrived()]).toEqual([300, 300, 0]);
  });

  it('awaits a user for as long as the longest wait told in its period, and a second more', () => {
    const book = new TurnBook();
    shake(book, 0, 100, 1000);
    pass(book, 1);
    shake(book, 100, 300, 8000);
    const counts = Array.from({ length: 20 }, () => {
      pass(book, 1);
      return book.activeUsers();
    });
    // 2 s and 9 s in periods of half a second, from the beginning of the period
    expect(counts).toEqual([...Array(2).fill(300), ...Array(15).fill(200), 0, 0, 0]);
    shake(book, 0, 100);
    expect([book.activeUsers(), book.takeArrived()]).toEqual([100, 400]);
  });

  it('takes nobody for gone who may stand in the queue of a gateway that is behind', () => {
    const book = new TurnBook();
    shake(book, 0, 100);
    pass(book, 30, true);
    expect(book.activeUsers()).toBe(100);
    pass(book, 5);
    expect(book.activeUsers()).toBe(0);
  });

  it('is of fixed size: users who are seen longest ago make way, and the count stays right', () => {
    const book = new TurnBook(64);
    // one set: the same low word, different high ones
    for (let no = 0; no < 10; no++) {
      const place = book.visit({ low: 5, high: no + 1 });
      book.setTurn(place, no);
      book.setTold(place, 0, 1000);
      pass(book, 1);
    }
    expect([10, 9, 8, 7].map((high) => book.turnOf(book.visit({ low: 5, high })))).toEqual([9, 8, 7, 6]);
    expect(book.activeUsers()).toBe(4);
    expect(book.turnOf(book.visit({ low: 5, high: 1 }))).toBe(noTurn);
    expect(book.activeUsers()).toBe(4);
  });

  it('keeps a hundred thousand users of whom next to nobody is displaced', () => {
    const book = new TurnBook();
    shake(book, 0, 100_000);
    expect(book.activeUsers()).toBeGreaterThan(99_990);
  });
});
