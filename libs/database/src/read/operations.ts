import type { PrismaClient } from '../prisma.ts';
import { msOf, safeNumber } from '../safe-number.ts';
import { beforeCursor, type PageQuestion, pageOf } from './pages.ts';

export interface AuditRecord {
  readonly id: bigint;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly detail: unknown;
}

/** The audit log, newest first, up to `limit`. */
export async function listAuditEntries(
  prisma: PrismaClient,
  { limit, cursor }: PageQuestion,
): Promise<{ entries: AuditRecord[]; nextCursor: string | undefined }> {
  const found = await prisma.auditEntry.findMany({
    where: beforeCursor(cursor),
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  const { rows, nextCursor } = pageOf(found, limit);
  return { entries: rows.map(({ at, ...same }) => ({ ...same, atMs: msOf(at) })), nextCursor };
}

/** The degradation document and its version; undefined before the first change. */
export async function readDegradation(
  prisma: PrismaClient,
): Promise<{ version: number; document: unknown } | undefined> {
  const row = await prisma.degradationState.findUnique({ where: { id: 1 } });
  return row === null ? undefined : { version: safeNumber(row.version), document: row.document };
}
