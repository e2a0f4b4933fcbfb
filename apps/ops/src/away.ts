import { isRetryable } from '#libs/database';
import { isRedisAway } from '#libs/redis';
import { ProblemError } from '#libs/runtime';

/** For `.catch`: a database that is away or slow becomes `dependency_unavailable`, a defect stays what it is. */
export function throwDatabaseProblem(error: unknown): never {
  throw isRetryable(error)
    ? new ProblemError('dependency_unavailable', 'the database is away or slow', {}, { cause: error })
    : error;
}

/** For `.catch`: the same for Redis. */
export function throwRedisProblem(error: unknown): never {
  throw isRedisAway(error)
    ? new ProblemError('dependency_unavailable', 'Redis is away or slow', {}, { cause: error })
    : error;
}
