import { expect, it } from 'vitest';
import { biggestEntries, feedEntriesPerBatchMax } from './feed.ts';

it('tells the feed of the biggest entries of a batch, and of no more than it takes', () => {
  const entries = Array.from({ length: 100 }, (_, i) => ({
    kind: 'open' as const,
    eventId: 1,
    userId: `u${i}`,
    sponsorNo: 0,
    amountFen: (i * 37) % 100,
    atMs: 1,
  }));
  const amounts = biggestEntries(entries).map(({ amountFen }) => amountFen);
  expect(amounts).toEqual(Array.from({ length: feedEntriesPerBatchMax }, (_, i) => 99 - i));
});
