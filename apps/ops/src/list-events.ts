import { z } from 'zod';
import type { eventStateSchema } from '#libs/contracts';
import type { PrismaClient } from '#libs/database';
import { eventIdMax } from '#libs/domain';
import { validate } from '#libs/runtime';
import { throwDatabaseProblem } from './away.ts';
import type { Page } from './page-query.ts';

export interface EventList {
  readonly events: readonly {
    readonly id: string;
    readonly title: string;
    readonly state: z.infer<typeof eventStateSchema>;
    readonly startsAt: string;
    readonly endsAt: string;
  }[];
  readonly nextCursor?: string;
}

const columns = { id: true, title: true, state: true, startsAt: true, endsAt: true } as const;
const cursorSchema = z.coerce.number().int().min(1).max(eventIdMax);

/** Events, newest first; the cursor is the last id of the page before. @throws ProblemError `bad_request`, `dependency_unavailable`. */
export async function listEvents(prisma: PrismaClient, { limit, cursor }: Page): Promise<EventList> {
  const where = cursor === undefined ? {} : { id: { lt: validate(cursorSchema, cursor) } };
  const rows = await prisma.event
    .findMany({ where, select: columns, orderBy: { id: 'desc' }, take: limit + 1 })
    .catch(throwDatabaseProblem);
  const events = rows.slice(0, limit).map((row) => ({
    id: String(row.id),
    title: row.title,
    state: row.state as EventList['events'][number]['state'],
    startsAt: row.startsAt.toISOString(),
    endsAt: row.endsAt.toISOString(),
  }));
  const last = events.at(-1);
  return { events, ...(rows.length > limit && last !== undefined ? { nextCursor: last.id } : {}) };
}
