import { type GrabItem, grabItemSchema, type OpenItem, openItemSchema } from '#libs/contracts';
import { type DeadLetterRecord, insertDeadLetters, type NewDeadLetter, type Pool } from '#libs/database';
import { epochMax, eventIdMax, parsePacketId } from '#libs/domain';
import type { MalformedJob } from '#libs/queue';
import type { Logger } from '#libs/runtime';
import type { AllocationMetrics } from '../process/metrics.ts';
import type { LaneItem } from '../settlement/item-settler.ts';

export type LetterKind = NewDeadLetter['kind'];

/** Longest error text that is kept: enough for a message of the database. */
const errorCharsMax = 500;

export const itemSchemas = { open: openItemSchema, grab: grabItemSchema } as const;

/**
 * Sets aside what can never be settled (invariant 9): a row with everything that settling it again needs. While it is not
 * replayed its block is not reissued and its event is not settled, so nothing of what was promised is given away.
 */
export class DeadLetterBox {
  constructor(
    private readonly pool: Pool,
    private readonly logger: Logger,
    private readonly metrics: AllocationMetrics,
  ) {}

  /** Resolves when the item is kept; keeping it again reopens the same letter. @throws the database's error. */
  async keep(kind: LetterKind, entry: LaneItem<OpenItem | GrabItem>, cause: unknown): Promise<void> {
    const error = errorTextOf(cause);
    await insertDeadLetters(this.pool, [letterOf(kind, entry, error)]);
    this.metrics.deadLetters.inc({ kind });
    const { eventId, packetId, userId } = entry.item;
    this.logger.error({ kind, lane: entry.lane, eventId, packetId, userId, err: cause }, 'an item is a dead letter');
  }

  /** Opens a letter again that was closed without being settled. */
  async reopen({ kind, lane, eventId, packetId, userId, epoch, item, error }: DeadLetterRecord): Promise<void> {
    await insertDeadLetters(this.pool, [{ kind, lane, eventId, packetId, userId, epoch, item, error }]);
  }

  /** Keeps what can be read of a job that is not of this version; the rest of it is in the log alone. */
  async keepMalformed(kind: LetterKind, { lane, jobId, data, error }: MalformedJob): Promise<void> {
    const { items, unreadable } = salvage(kind, data);
    const letters = items.map((item) =>
      letterOf(kind, { item, lane }, `malformed job: ${error}`.slice(0, errorCharsMax)),
    );
    if (letters.length > 0) await insertDeadLetters(this.pool, letters);
    this.metrics.deadLetters.inc({ kind }, letters.length + unreadable.length);
    this.logger.error({ lane, jobId, kept: letters.length, unreadable, error }, 'a job is malformed');
  }
}

function letterOf(kind: LetterKind, { item, lane }: LaneItem<OpenItem | GrabItem>, error: string): NewDeadLetter {
  const { eventId, packetId, userId, epoch } = item;
  return { kind, lane, eventId, packetId: BigInt(packetId), userId, epoch, item, error };
}

function salvage(kind: LetterKind, data: unknown): { items: (OpenItem | GrabItem)[]; unreadable: unknown[] } {
  const list = (data as { items?: unknown } | null | undefined)?.items;
  if (!Array.isArray(list)) return { items: [], unreadable: [data] };
  const items: (OpenItem | GrabItem)[] = [];
  const unreadable: unknown[] = [];
  for (const candidate of list) {
    const parsed = itemSchemas[kind].safeParse(candidate);
    if (parsed.success && isStorable(parsed.data)) items.push(parsed.data);
    else unreadable.push(candidate);
  }
  return { items, unreadable };
}

/** Numbers that no ticket can carry do not fit the columns of a letter either. */
function isStorable({ eventId, packetId, epoch }: OpenItem | GrabItem): boolean {
  const isEvent = eventId >= 1 && eventId <= eventIdMax;
  return isEvent && parsePacketId(packetId) !== undefined && epoch >= 0 && epoch <= epochMax;
}

export function errorTextOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, errorCharsMax);
}
