import {
  type EventRecord,
  loadEventSecret,
  loadEvents,
  type Pool,
  type PoolRecord,
  type PrismaClient,
} from '#libs/database';
import { eventIdMax, hasPacket, type PacketRef, packetRefOf, parsePacketId } from '#libs/domain';

/** Plans and secrets in memory at most: events that are opened or grabbed from at a time are few. */
const eventsMax = 256;
/** How long an event that is not there (or still a draft) is not looked for again. */
const unknownForMs = 1000;

/** A packet that exists by plan, with all that its amounts derive from. */
export interface BookedPacket {
  readonly packetId: bigint;
  readonly ref: PacketRef;
  readonly pool: PoolRecord;
  readonly secret: Buffer;
}

interface BookedEvent {
  readonly secret: Buffer;
  readonly pools: ReadonlyMap<number, PoolRecord>;
}

/** The events of one batch: held by the batch, so that what another one loads meanwhile cannot push them out. */
export class EventPages {
  constructor(private readonly events: ReadonlyMap<number, BookedEvent>) {}

  /** The packet behind an id as it stands in an item; undefined when its event is unknown or has no such packet. */
  find(eventId: number, packetIdText: string): BookedPacket | undefined {
    const packetId = parsePacketId(packetIdText);
    const event = this.events.get(eventId);
    if (packetId === undefined || event === undefined) return undefined;
    const ref = packetRefOf(packetId);
    const pool = event.pools.get(ref.poolId);
    return pool !== undefined && hasPacket(pool, ref) ? { packetId, ref, pool, secret: event.secret } : undefined;
  }
}

/**
 * The plans and secrets of armed events, which never change, kept in memory for settlement. States are no part of it: the
 * database decides by state, under its locks.
 */
export class EventBook {
  private readonly events = new Map<number, BookedEvent>();
  /** Event id → monotonic ms until which it counts as unknown. */
  private readonly unknown = new Map<number, number>();

  constructor(
    private readonly pool: Pool,
    private readonly prisma: PrismaClient,
  ) {}

  /** The pages of these events; those that were never armed are missing. @throws the database's error. */
  async open(eventIds: Iterable<number>): Promise<EventPages> {
    const pages = new Map<number, BookedEvent>();
    const missing: number[] = [];
    for (const id of new Set(eventIds)) {
      const known = this.events.get(id);
      if (known !== undefined) pages.set(id, known);
      else if (id >= 1 && id <= eventIdMax && !this.isUnknown(id)) missing.push(id);
    }
    for (const [id, event] of await this.load(missing)) pages.set(id, event);
    return new EventPages(pages);
  }

  private async load(eventIds: readonly number[]): Promise<Map<number, BookedEvent>> {
    const loaded = new Map<number, BookedEvent>();
    if (eventIds.length === 0) return loaded;
    for (const record of await loadEvents(this.prisma, { ids: [...eventIds] })) {
      if (record.state !== 'draft') loaded.set(record.id, await this.pageOf(record));
    }
    const until = performance.now() + unknownForMs;
    for (const id of eventIds) {
      const event = loaded.get(id);
      if (event === undefined) enter(this.unknown, id, until);
      else enter(this.events, id, event);
    }
    return loaded;
  }

  private async pageOf(record: EventRecord): Promise<BookedEvent> {
    const secret = await loadEventSecret(this.pool, record.id);
    if (secret === undefined) throw new Error(`event ${record.id} was armed and has no secret`);
    return { secret, pools: new Map(record.pools.map((pool) => [pool.poolId, pool])) };
  }

  private isUnknown(eventId: number): boolean {
    return (this.unknown.get(eventId) ?? 0) > performance.now();
  }
}

/** Over the limit the entry that was made first leaves. */
function enter<Value>(map: Map<number, Value>, key: number, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > eventsMax) map.delete(map.keys().next().value!);
}
