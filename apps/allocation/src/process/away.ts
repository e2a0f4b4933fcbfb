import { isRetryable } from '#libs/database';
import { isRedisAway } from '#libs/redis';
import { ProblemError } from '#libs/runtime';

/** For `.catch` at the edge: PostgreSQL or Redis away becomes `dependency_unavailable`, a defect stays what it is. */
export function throwAwayProblem(error: unknown): never {
  if (isRetryable(error)) throw unavailable('the database is away or slow', error);
  if (isRedisAway(error)) throw unavailable('Redis is away or slow', error);
  throw error;
}

function unavailable(detail: string, cause: unknown): ProblemError {
  return new ProblemError('dependency_unavailable', detail, {}, { cause });
}
