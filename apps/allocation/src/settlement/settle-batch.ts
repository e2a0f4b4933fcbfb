import { isBlocked, isDatabaseAway, isDataError, isRetryable } from '#libs/database';
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

/** How often a blocked call (`isBlocked`) is repeated as it is, before it is bisected or gives its slot to others. */
const blockedRepeatsMax = 3;

/** Some claims cannot be settled now; all others of their batch are, and repeating any of them gives the same (invariant 7). */
export class UnsettledError extends Error {
  /** @param errors what stands in the way of each claim that is not settled; the first is the `cause`. */
  constructor(
    readonly errors: readonly unknown[],
    claimCount: number,
  ) {
    super(`${errors.length} of ${claimCount} claims are not settled`, { cause: errors[0] });
    this.name = 'UnsettledError';
  }
}

interface Part {
  readonly from: number;
  readonly to: number;
  readonly blockedRepeats: number;
}

/**
 * Settles a batch, whatever the database does (invariant 9). While it is away or in conflict the same batch is repeated, for as
 * long as it takes: settlement is idempotent. Where repeating it as it is does not help, the claims at fault are found by
 * bisection, and the others are settled: data that can never be booked is buried; a claim that is blocked (somebody keeps its
 * user's wallet locked) or meets a defect stays unsettled, and it is for its job to back off and run again.
 * @throws UnsettledError, once all that could be settled is; when `stopped` fires, the error of the last try.
 */
export async function settleBatch<Claim, Outcome>(
  claims: readonly Claim[],
  options: SettleBatchOptions<Claim, Outcome>,
): Promise<Outcome[]> {
  const outcomes = new Array<Outcome>(claims.length);
  const faults: unknown[] = [];
  const parts: Part[] = claims.length === 0 ? [] : [{ from: 0, to: claims.length, blockedRepeats: blockedRepeatsMax }];
  // Halves join at the end: what can be settled does not wait for the search for what cannot.
  for (const part of parts) {
    const result = await settlePart(claims.slice(part.from, part.to), part.blockedRepeats, options);
    if ('outcomes' in result) for (const [i, outcome] of result.outcomes.entries()) outcomes[part.from + i] = outcome;
    else if (part.to - part.from > 1) parts.push(...halvesOf(part, result.error));
    else faults.push(result.error);
  }
  if (faults.length > 0) throw new UnsettledError(faults, claims.length);
  return outcomes;
}

/** @throws only when `stopped` has fired. */
async function settlePart<Claim, Outcome>(
  claims: readonly Claim[],
  blockedRepeats: number,
  options: SettleBatchOptions<Claim, Outcome>,
): Promise<{ outcomes: readonly Outcome[] } | { error: unknown }> {
  try {
    return { outcomes: await repeatWhileAway(() => options.settle(claims), options, blockedRepeats) };
  } catch (error) {
    if (!isDataError(error)) return unlessStopped(error, options.stopped);
    if (claims.length > 1) return { error };
    try {
      return { outcomes: [await repeatWhileAway(() => options.bury(claims[0]!, error), options)] };
    } catch (burialError) {
      return unlessStopped(burialError, options.stopped);
    }
  }
}

function unlessStopped(error: unknown, stopped: AbortSignal): { error: unknown } {
  if (stopped.aborted) throw error;
  return { error };
}

function halvesOf({ from, to, blockedRepeats }: Part, error: unknown): Part[] {
  const middle = Math.ceil((from + to) / 2);
  // a half that is blocked still has waited long enough with the whole
  const rest = { blockedRepeats: isBlocked(error) ? 0 : blockedRepeats };
  return [
    { from, to: middle, ...rest },
    { from: middle, to, ...rest },
  ];
}

/**
 * Repeats a call while the database is away or in conflict, until `stopped` fires; while the call is blocked, `blockedRepeats`
 * times. @throws the error of the last try, and every other error at once.
 */
export async function repeatWhileAway<T>(
  call: () => Promise<T>,
  { onRepeat, stopped }: Pick<SettleBatchOptions<unknown, unknown>, 'onRepeat' | 'stopped'>,
  blockedRepeats = blockedRepeatsMax,
): Promise<T> {
  let blockedTries = 0;
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!isRetryable(error) || stopped.aborted) throw error;
      if (isBlocked(error) && ++blockedTries > blockedRepeats) throw error;
      const kind: RepeatKind = isDatabaseAway(error) ? 'away' : 'conflict';
      onRepeat(error, kind);
      const { first, max } = waitsMs[kind];
      await pause(Math.min(first * 2 ** Math.min(tries, 16), max) * (0.5 + Math.random() / 2), stopped);
    }
  }
}
