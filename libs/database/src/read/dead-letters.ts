import type { PrismaClient } from '../prisma.ts';
import { msOf } from '../safe-number.ts';
import type { DeadLetterKind } from '../sql/insert-dead-letters.sql.ts';
import { beforeCursor, type PageQuestion, pageOf } from './pages.ts';

export interface DeadLetterRecord {
  readonly id: bigint;
  readonly kind: DeadLetterKind;
  readonly lane: string;
  readonly eventId: number;
  readonly packetId: bigint;
  readonly userId: string;
  readonly epoch: number;
  readonly item: unknown;
  readonly error: string;
  readonly createdAtMs: number;
  /** undefined while it waits for a replay */
  readonly replayedAtMs: number | undefined;
  readonly outcome: unknown;
}

/** Dead letters, newest first, up to `limit`; with `openOnly` those that wait for a replay. */
export async function listDeadLetters(
  prisma: PrismaClient,
  { limit, cursor, openOnly = false }: PageQuestion & { readonly openOnly?: boolean },
): Promise<{ deadLetters: DeadLetterRecord[]; nextCursor: string | undefined }> {
  const found = await prisma.deadLetter.findMany({
    where: { ...beforeCursor(cursor), ...(openOnly && { replayedAt: null }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  const { rows, nextCursor } = pageOf(found, limit);
  return { deadLetters: rows.map(deadLetterRecordOf), nextCursor };
}

/** One dead letter; undefined when there is none with this id. */
export async function findDeadLetter(prisma: PrismaClient, id: bigint): Promise<DeadLetterRecord | undefined> {
  const row = await prisma.deadLetter.findUnique({ where: { id } });
  return row === null ? undefined : deadLetterRecordOf(row);
}

type DeadLetterRow = NonNullable<Awaited<ReturnType<PrismaClient['deadLetter']['findUnique']>>>;

function deadLetterRecordOf({ kind, createdAt, replayedAt, outcome, ...same }: DeadLetterRow): DeadLetterRecord {
  return {
    ...same,
    kind: kind as DeadLetterKind,
    createdAtMs: msOf(createdAt),
    replayedAtMs: msOf(replayedAt),
    outcome: outcome ?? undefined,
  };
}
