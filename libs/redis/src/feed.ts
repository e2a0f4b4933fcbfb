import { type FeedEntry, feedEntrySchema } from '#libs/contracts';
import type { ChannelSubscriber, Unsubscribe } from './channel-subscriber.ts';
import { keys } from './keys.ts';
import type { RedisClient } from './redis-client.ts';

/** Most entries in one message: the feed is an extra and may drop what is over it. */
export const feedEntriesMax = 256;

const feedSchema = feedEntrySchema.array();

/** Tells what was settled; the newest `feedEntriesMax`. @throws the client's error while Redis is away. */
export async function publishFeed(client: RedisClient, entries: readonly FeedEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await client.publish(keys.feed, JSON.stringify(entries.slice(-feedEntriesMax)));
}

/** Hears what was settled, a message at a time; lossy. */
export function subscribeFeed(channels: ChannelSubscriber, listener: (entries: FeedEntry[]) => void): Unsubscribe {
  return channels.subscribe(keys.feed, (message) => listener(feedSchema.parse(JSON.parse(message))));
}
