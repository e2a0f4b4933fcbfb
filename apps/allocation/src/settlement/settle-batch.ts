import { isDatabaseAway, isDataError, isRetryable } from '#libs/database';
import { pause } from '../process/pause.ts';

export interface SettleBatchOptions<Claim, Outcome> {
  /** Settles claims together, all or none; one outcome for each, in their order. */
  readonly settle: (claims: readonly Claim[]) => Promise<readonly Outcome[]>;
  /** Keeps the one claim that can never be settled, and says what its user is told. Resolves when it is kept. */
  readonly bury: (claim: Claim, error: unknown) => Promise<Outcome>;
  /** Told before a batch is repeated. */
  readonly onRepeat: (error: unknown, kind: RepeatKind) => void;
  /** Ends the waits between repeats: the batch then rejects with the error of its last try. */
  readonly stopped: AbortSignal;
}

/** `conflict`: another transaction was in the way. `away`: the database cannot serve now. */
export type RepeatKind = 'conflict' | 'away';

/** First waits; each doubles up to its limit, and is jittered so that lanes do not meet again. */
const waitsMs: Readonly<Record<RepeatKind, { readonly first: number; readonly max: number }>> = {
  conflict: { first: 2, max: 200 },
  away: { first: 50, max: 2000 },
};

/**
 * Settles a batch, whatever the database does (invariant 9). While it is away or in conflict the same batch is repeated, for as
 * long as it takes: settlement is idempotent. Data that can never be booked is found by bisection and buried; the rest goes on.
 * @throws any other error (a defect), and the last error when `stopped` fires: then the job runs again.
 */
export async function settleBatch<Claim, Outcome>(
  claims: readonly Claim[],
  options: SettleBatchOptions<Claim, Outcome>,
): Promise<Outcome[]> {
  if (claims.length === 0) return [];
  try {
    return [...(await repeatWhileAway(() => options.settle(claims), options))];
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (claims.length === 1) return [await repeatWhileAway(() => options.bury(claims[0]!, error), options)];
  }
  const middle = Math.ceil(claims.length / 2);
  const first = await settleBatch(claims.slice(0, middle), options);
  return [...first, ...(await settleBatch(claims.slice(middle), options))];
}

/** Repeats a call while the database is away or in conflict, until `stopped` fires. @throws every other error, at once. */
export async function repeatWhileAway<T>(
  call: () => Promise<T>,
  { onRepeat, stopped }: Pick<SettleBatchOptions<unknown, unknown>, 'onRepeat' | 'stopped'>,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!isRetryable(error) || stopped.aborted) throw error;
      const kind: RepeatKind = isDatabaseAway(error) ? 'away' : 'conflict';
      onRepeat(error, kind);
      const { first, max } = waitsMs[kind];
      await pause(Math.min(first * 2 ** Math.min(tries, 16), max) * (0.5 + Math.random() / 2), stopped);
    }
  }
}
