import { backoffMs, pollDelayMs } from './backoff.ts';
import type { ClientClock } from './clock.ts';
import { HongbaoAbortedError, HongbaoAnswerError, HongbaoLostError, HongbaoProblemError } from './errors.ts';
import { type ApiRequest, isPassing, labelOf, type Reply } from './http.ts';
import type { ClientLimits } from './limits.ts';
import type { RetryBudget } from './retry-budget.ts';

/** What a call needs of its client. */
export interface Pursuer {
  readonly limits: ClientLimits;
  readonly clock: ClientClock;
  readonly random: () => number;
  readonly budget: RetryBudget;
  send(request: ApiRequest, signal?: AbortSignal): Promise<Reply>;
}

export type JudgedReply = Extract<Reply, { kind: 'answer' | 'problem' }>;

/** `settled` ends the pursuit; `poll`: the server works on it, ask again then; `retry`: ask again after a backoff. */
export type Verdict<T> =
  | { readonly verdict: 'settled'; readonly value: T }
  | { readonly verdict: 'poll'; readonly afterMs: number }
  | { readonly verdict: 'retry' };

export interface Pursuit<T> {
  /** The next request: asked anew each time, so it may change with what was learnt. */
  readonly request: () => ApiRequest;
  /** `undefined`: nothing this call knows; passing problems are then retried and the rest is thrown. */
  readonly judge: (reply: JudgedReply) => Verdict<T> | undefined;
  readonly triesMax?: number;
  readonly maxMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type PursuitEnd<T> =
  | { readonly end: 'settled'; readonly value: T }
  | { readonly end: 'aborted' }
  | { readonly end: 'spent'; readonly request: ApiRequest; readonly last: Reply };

export const settled = <T>(value: T): Verdict<T> => ({ verdict: 'settled', value });

/**
 * Asks until there is an outcome: repetitions wait with full jitter and take from the retry budget, polls follow the server.
 * Ends `spent` when tries or time are used up.
 * @throws HongbaoProblemError, HongbaoAnswerError for what neither the call nor the retry rules expect.
 */
export async function pursue<T>(pursuer: Pursuer, pursuit: Pursuit<T>): Promise<PursuitEnd<T>> {
  const { clock, budget, limits, random } = pursuer;
  const deadlineMs = clock.nowMs() + pursuit.maxMs;
  const triesMax = pursuit.triesMax ?? Number.POSITIVE_INFINITY;
  let tries = 0;
  let polls = 0;
  let attempt = 0;
  let isRepetition = false;
  for (;;) {
    if (!isRepetition) budget.earn();
    const request = pursuit.request();
    const reply = await pursuer.send(request, pursuit.signal);
    if (reply.kind === 'aborted') return { end: 'aborted' };
    tries += 1;
    const verdict = verdictOf(request, reply, pursuit.judge);
    if (verdict.verdict === 'settled') return { end: 'settled', value: verdict.value };
    isRepetition = verdict.verdict === 'retry';
    attempt = isRepetition ? attempt + 1 : 0;
    polls = isRepetition ? polls : polls + 1;
    const waitMs =
      verdict.verdict === 'poll'
        ? pollDelayMs(limits, polls, verdict.afterMs, random)
        : backoffMs(limits, attempt, retryAfterMsOf(reply), random);
    if (tries >= triesMax || clock.nowMs() + waitMs > deadlineMs) return { end: 'spent', request, last: reply };
    await clock.sleep(waitMs, pursuit.signal);
    if (isRepetition && !(await takeFromBudget(pursuer, deadlineMs, pursuit.signal))) {
      return pursuit.signal?.aborted ? { end: 'aborted' } : { end: 'spent', request, last: reply };
    }
  }
}

/**
 * As `pursue`, for a call that has no "unsettled" outcome.
 * @throws HongbaoLostError or HongbaoProblemError (the last failure) when tries or time are used up, HongbaoAbortedError.
 */
export async function pursueOrThrow<T>(pursuer: Pursuer, pursuit: Pursuit<T>): Promise<T> {
  const end = await pursue(pursuer, pursuit);
  if (end.end === 'settled') return end.value;
  if (end.end === 'aborted') throw new HongbaoAbortedError('the call was aborted');
  const label = labelOf(end.request);
  if (end.last.kind === 'problem') throw new HongbaoProblemError(label, end.last.problem);
  const { detail, cause } = end.last.kind === 'lost' ? end.last : { detail: 'still pending', cause: undefined };
  throw new HongbaoLostError(`${label}: ${detail}`, { cause });
}

function verdictOf<T>(
  request: ApiRequest,
  reply: Exclude<Reply, { kind: 'aborted' }>,
  judge: Pursuit<T>['judge'],
): Verdict<T> {
  if (reply.kind === 'lost') return { verdict: 'retry' };
  const verdict = judge(reply);
  if (verdict) return verdict;
  if (reply.kind === 'answer') {
    throw new HongbaoAnswerError(`${labelOf(request)}: unexpected answer with status ${reply.status}`);
  }
  if (isPassing(reply.problem)) return { verdict: 'retry' };
  throw new HongbaoProblemError(labelOf(request), reply.problem);
}

function retryAfterMsOf(reply: Reply): number | undefined {
  if (reply.kind === 'problem') return reply.problem.retryAfterMs;
  return reply.kind === 'lost' ? reply.retryAfterMs : undefined;
}

async function takeFromBudget(pursuer: Pursuer, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
  for (;;) {
    if (signal?.aborted) return false;
    const nowMs = pursuer.clock.nowMs();
    const waitMs = pursuer.budget.take(nowMs);
    if (waitMs === 0) return true;
    if (nowMs + waitMs > deadlineMs) return false;
    await pursuer.clock.sleep(waitMs, signal);
  }
}
