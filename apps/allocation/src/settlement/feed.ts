import type { FeedEntry } from '#libs/contracts';

/** Entries of one batch that the feed hears of: more than anybody can read, and the feed is an extra. */
export const feedEntriesPerBatchMax = 20;

/** The biggest of what a batch newly booked. */
export function biggestEntries(entries: readonly FeedEntry[]): FeedEntry[] {
  return [...entries].sort((a, b) => b.amountFen - a.amountFen).slice(0, feedEntriesPerBatchMax);
}
