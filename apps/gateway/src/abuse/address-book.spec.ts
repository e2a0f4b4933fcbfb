import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressBook, type AddressLimits } from './address-book.ts';

const limits: AddressLimits = { connections: 3, newSessions: 10, failedSessions: 1, earlyShakes: 5, guestSessions: 2 };

/** How many of a work an address gets in one instant. */
function takeAll(book: AddressBook, no: number, work: 'newSessions' | 'failedSessions', nowMs: number): number {
  for (let taken = 0; ; taken++) if (!book.take(no, work, nowMs)) return taken;
}

describe('the address book', () => {
  it('allows ten seconds worth of work at once, then the rate', () => {
    const book = new AddressBook(limits, 100);
    const no = book.noOf('a', 0);
    expect(takeAll(book, no, 'newSessions', 0)).toBe(100);
    expect(book.mayTake(no, 'newSessions', 0)).toBe(false);
    expect(takeAll(book, no, 'newSessions', 1000)).toBe(10);
    expect(takeAll(book, no, 'newSessions', 1500)).toBe(5);
    expect(takeAll(book, no, 'newSessions', 3_600_000)).toBe(100);
  });

  it('counts each work and each address for itself', () => {
    const book = new AddressBook(limits, 100);
    takeAll(book, book.noOf('a', 0), 'newSessions', 0);
    expect(takeAll(book, book.noOf('a', 0), 'failedSessions', 0)).toBe(10);
    expect(takeAll(book, book.noOf('b', 0), 'newSessions', 0)).toBe(100);
  });

  it('never allows more than the rate and one burst, whatever the times', () => {
    const steps = fc.array(fc.record({ passMs: fc.nat(3000), tries: fc.nat(150) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const book = new AddressBook(limits, 10);
        let nowMs = 5000;
        let taken = 0;
        for (const { passMs, tries } of all) {
          nowMs += passMs;
          for (let i = 0; i < tries; i++) {
            const may = book.mayTake(book.noOf('a', nowMs), 'newSessions', nowMs);
            expect(book.take(book.noOf('a', nowMs), 'newSessions', nowMs)).toBe(may);
            if (may) taken += 1;
          }
          expect(taken).toBeLessThanOrEqual(100 + ((nowMs - 5000) * 10) / 1000 + 1);
        }
      }),
    );
  });

  it('counts connections, and forgets no address that has one', () => {
    const book = new AddressBook(limits, 10);
    const no = book.noOf('held', 0);
    expect([1, 2, 3, 4].map(() => book.connect(no))).toEqual([true, true, true, false]);
    for (let i = 0; i < 1000; i++) book.noOf(`other ${i}`, i);
    expect([book.size, book.noOf('held', 1000)]).toEqual([10, no]);
    book.disconnect(no);
    expect(book.connect(no)).toBe(true);
  });

  it('is bounded, and forgets addresses that owe nothing first', () => {
    const book = new AddressBook(limits, 50);
    takeAll(book, book.noOf('busy', 0), 'failedSessions', 0);
    for (let i = 0; i < 49; i++) book.noOf(`quiet ${i}`, 0);
    for (let i = 0; i < 1000; i++) book.noOf(`new ${i}`, 0);
    expect(book.size).toBe(50);
    expect(book.mayTake(book.noOf('busy', 0), 'failedSessions', 0)).toBe(false);
  });

  it('forgets somebody even when all owe, and gives the place without their debts', () => {
    const book = new AddressBook(limits, 5);
    for (let i = 0; i < 1000; i++) {
      const no = book.noOf(`a${i}`, 0);
      expect(takeAll(book, no, 'failedSessions', 0)).toBe(10);
    }
    expect(book.size).toBe(5);
  });
});
