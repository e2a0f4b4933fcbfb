import { isRetryable } from '#libs/database';
import { isRedisAway } from '#libs/redis';
import { ProblemError } from '#libs/runtime';

/** For `.catch`: a ledger that is away or slow becomes `dependency_unavailable`, a defect stays what it is. */
export function throwLedgerProblem(error: unknown): never {
  throw isRetryable(error)
    ? new ProblemError('dependency_unavailable', 'the ledger is away or slow', {}, { cause: error })
    : error;
}

/** For `.catch`: a Redis that is away becomes `queue_unavailable`, a defect stays what it is. */
export function throwQueueProblem(error: unknown): never {
  throw isRedisAway(error) ? new ProblemError('queue_unavailable', undefined, {}, { cause: error }) : error;
}
