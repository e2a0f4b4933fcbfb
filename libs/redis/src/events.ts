import { randomBytes } from 'node:crypto';
import { type EventSnapshot, eventSnapshotSchema } from '#libs/contracts';
import type { ChannelSubscriber, Unsubscribe } from './channel-subscriber.ts';
import { jsonOf } from './json-of.ts';
import { keys } from './keys.ts';
import type { Log } from './log.ts';
import type { RedisClient } from './redis-client.ts';

/** Stands beside the event ids, which are numbers. */
const revisionField = 'revision';

/**
 * Writes the snapshots that differ from what is there, and tells whoever listens; others are left alone, those not named too.
 * @throws the client's error while Redis is away: publish again, it is idempotent.
 */
export async function publishEvents(
  client: RedisClient,
  snapshots: readonly EventSnapshot[],
): Promise<{ readonly changed: number }> {
  if (snapshots.length === 0) return { changed: 0 };
  const wanted = snapshots.map((snapshot) => [String(snapshot.id), JSON.stringify(snapshot)] as const);
  const present = await client.hmget(keys.events, ...wanted.map(([id]) => id));
  const changed = wanted.filter(([, text], at) => text !== present[at]);
  if (changed.length > 0) {
    await client.hset(keys.events, ...changed.flat(), revisionField, newRevision());
    await client.publish(keys.eventsChanged, '');
  }
  return { changed: changed.length };
}

/** Calls back when the board changed: a hint to read it now instead of at the next poll. */
export function subscribeEventsChanged(channels: ChannelSubscriber, listener: () => void): Unsubscribe {
  return channels.subscribe(keys.eventsChanged, listener);
}

/** Takes events off the board. @throws the client's error while Redis is away: do it again, it is idempotent. */
export async function removeEvents(client: RedisClient, eventIds: readonly number[]): Promise<void> {
  if (eventIds.length === 0) return;
  await client.hdel(keys.events, ...eventIds.map(String));
  await client.hset(keys.events, revisionField, newRevision());
}

/** Random, not counted: a counter would begin again after a flush and could meet a number that a reader has seen. */
const newRevision = (): string => randomBytes(8).toString('hex');

/** Reads the board of events, parsing only what changed since the last read. */
export class EventReader {
  private revision: string | null = null;
  private events: readonly EventSnapshot[] = [];
  private parsed = new Map<string, { readonly text: string; readonly event: EventSnapshot | undefined }>();

  constructor(
    private readonly client: RedisClient,
    private readonly log?: Log,
  ) {}

  /**
   * All events on the board; one that did not change is the same object as before, and so is the array when nothing did.
   * @throws the client's error while Redis is away: keep what was read last.
   */
  async read(): Promise<readonly EventSnapshot[]> {
    const revision = await this.client.hget(keys.events, revisionField);
    if (revision !== null && revision === this.revision) return this.events;
    const { [revisionField]: revisionRead = null, ...texts } = await this.client.hgetall(keys.events);
    this.parsed = new Map(Object.entries(texts).map(([id, text]) => [id, this.parse(id, text)]));
    this.events = [...this.parsed.values()].flatMap(({ event }) => (event === undefined ? [] : [event]));
    this.revision = revisionRead;
    return this.events;
  }

  private parse(id: string, text: string): { text: string; event: EventSnapshot | undefined } {
    const known = this.parsed.get(id);
    if (known?.text === text) return known;
    const result = eventSnapshotSchema.safeParse(jsonOf(text));
    if (!result.success)
      this.log?.error({ eventId: id, err: result.error }, 'an event snapshot is not of this version');
    return { text, event: result.data };
  }
}
