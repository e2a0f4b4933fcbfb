import { type AuditEntry, type DeadLetter, isoOf } from '#libs/contracts';
import {
  type AuditRecord,
  type DeadLetterRecord,
  listAuditEntries,
  listDeadLetters,
  type PrismaClient,
} from '#libs/database';
import { ProblemError } from '#libs/runtime';
import { throwDatabaseProblem } from './away.ts';
import type { Page } from './page-query.ts';

export interface DeadLetterList {
  readonly deadLetters: readonly DeadLetter[];
  readonly nextCursor?: string;
}

export interface AuditLog {
  readonly entries: readonly AuditEntry[];
  readonly nextCursor?: string;
}

/** Dead letters, newest first. @throws ProblemError `bad_request` for a foreign cursor, `dependency_unavailable`. */
export async function readDeadLetters(prisma: PrismaClient, page: Page): Promise<DeadLetterList> {
  const { deadLetters, nextCursor } = await listDeadLetters(prisma, page).catch(throwListProblem);
  return { deadLetters: deadLetters.map(deadLetterView), ...(nextCursor === undefined ? {} : { nextCursor }) };
}

/** The audit log, newest first. @throws as `readDeadLetters`. */
export async function readAuditLog(prisma: PrismaClient, page: Page): Promise<AuditLog> {
  const { entries, nextCursor } = await listAuditEntries(prisma, page).catch(throwListProblem);
  return { entries: entries.map(auditView), ...(nextCursor === undefined ? {} : { nextCursor }) };
}

function throwListProblem(error: unknown): never {
  if (error instanceof RangeError)
    throw new ProblemError('bad_request', `cursor: ${error.message}`, {}, { cause: error });
  return throwDatabaseProblem(error);
}

function deadLetterView(record: DeadLetterRecord): DeadLetter {
  const { id, kind, lane, eventId, packetId, userId, error, createdAtMs, replayedAtMs, outcome } = record;
  return {
    id: String(id),
    kind,
    lane,
    eventId: String(eventId),
    packetId: String(packetId),
    userId,
    error,
    createdAt: isoOf(createdAtMs),
    ...(replayedAtMs === undefined ? {} : { replayedAt: isoOf(replayedAtMs), outcome }),
  };
}

function auditView({ id, atMs, ...same }: AuditRecord): AuditEntry {
  return { ...same, id: String(id), at: isoOf(atMs) };
}
