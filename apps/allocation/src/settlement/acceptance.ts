import type { Pool, PoolClient } from '#libs/database';
import { outstandingLookFreshMs } from '#libs/queue';

/** Too long ago: since then another process may have settled the jobs, or nobody may, and their users were told so. */
class StaleLookError extends Error {
  override readonly name = 'StaleLookError';
}

export interface SettleAccepted<Entry, Outcome> {
  readonly pool: Pool;
  readonly entries: readonly Entry[];
  /** Those that were accepted and are not settled yet: their jobs are in the outstanding index. One round trip for all. */
  readonly look: (entries: readonly Entry[]) => Promise<ReadonlySet<Entry>>;
  /** Settles entries by statements of the connection that it gets; one outcome for each, in their order. May be called again. */
  readonly settle: (client: PoolClient, accepted: readonly Entry[]) => Promise<readonly Outcome[]>;
  /** Told before it begins anew because a look was too old. */
  readonly onStale: () => void;
}

/**
 * Settles those entries that are accepted at this instant, as far as two stores can tell: the index is looked at first, and each
 * statement is sent only while that look is fresh, or everything begins anew. So a process that was stopped, or waited for the
 * database, does not settle what another one has settled since and what its user was told is over (invariants 6, 7).
 * @returns the outcomes in the order of the entries; `undefined` for one that was not accepted or is settled already.
 * @throws what `settle`, the pool or the look throws.
 */
export async function settleAccepted<Entry, Outcome>(
  work: SettleAccepted<Entry, Outcome>,
): Promise<(Outcome | undefined)[]> {
  for (;;) {
    // from when it was asked: when it was answered is not known better
    const freshUntil = performance.now() + outstandingLookFreshMs;
    const found = await work.look(work.entries);
    const accepted = work.entries.filter((entry) => found.has(entry));
    if (accepted.length === 0) return work.entries.map(() => undefined);
    try {
      const outcomes = await withConnection(work.pool, freshUntil, (client) => work.settle(client, accepted));
      const outcomeOf = new Map(accepted.map((entry, at) => [entry, outcomes[at]!]));
      return work.entries.map((entry) => outcomeOf.get(entry));
    } catch (error) {
      if (!(error instanceof StaleLookError)) throw error;
      work.onStale();
    }
  }
}

async function withConnection<T>(pool: Pool, freshUntil: number, use: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let isSound = false;
  try {
    const value = await use(sendingUntil(client, freshUntil));
    isSound = true;
    return value;
  } catch (error) {
    isSound = error instanceof StaleLookError;
    throw error;
  } finally {
    // as `pool.query` does: true ends a connection that may be broken or still at work
    client.release(!isSound);
  }
}

/** A view of a connection that sends no statement from `freshUntil` (monotonic ms) on: looked at in the very turn that sends it. */
function sendingUntil(client: PoolClient, freshUntil: number): PoolClient {
  const query = (...args: unknown[]): unknown => {
    if (performance.now() >= freshUntil) throw new StaleLookError('the look at the outstanding index is too old');
    return Reflect.apply(client.query, client, args);
  };
  return Object.create(client, { query: { value: query } }) as PoolClient;
}
