import { z } from 'zod';
import { validate } from '#libs/runtime';

const limitMax = 200;
const limitDefault = 50;
const cursorCharsMax = 64;

const pageQuerySchema = z.object({
  cursor: z.string().min(1).max(cursorCharsMax).optional(),
  limit: z.coerce.number().int().min(1).max(limitMax).default(limitDefault),
});

export interface Page {
  readonly limit: number;
  readonly cursor?: string;
}

/** The page that a list is asked for. @throws ProblemError `bad_request`. */
export function pageOf(query: Record<string, unknown>): Page {
  const { cursor, limit } = validate(pageQuerySchema, query);
  return cursor === undefined ? { limit } : { limit, cursor };
}
