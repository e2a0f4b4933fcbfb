import type { ChannelListener, ChannelSubscriber, Unsubscribe } from './channel-subscriber.ts';
import { keys } from './keys.ts';
import type { RedisClient } from './redis-client.ts';

/** What became of each item of a job, in their order. */
export interface Reply<Outcome> {
  readonly jobId: string;
  readonly outcomes: readonly Outcome[];
}

/** Tells a producer what became of a job; lost when it does not listen. @throws the client's error while Redis is away. */
export async function publishReply<Outcome>(
  client: RedisClient,
  replyTo: string,
  reply: Reply<Outcome>,
): Promise<void> {
  await client.publish(keys.reply(replyTo), JSON.stringify(reply));
}

/** Hears the replies to the jobs of `producerId`, as text: `ReplyRegistry.accept` reads them. */
export function subscribeReplies(
  channels: ChannelSubscriber,
  producerId: string,
  listener: ChannelListener,
): Unsubscribe {
  return channels.subscribe(keys.reply(producerId), listener);
}
