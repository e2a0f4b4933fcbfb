import type { GrabAnswer, Problem } from '#libs/contracts';
import type { ApiRequest } from './http.ts';
import { type JudgedReply, type Pursuer, pursue, settled, type Verdict } from './pursue.ts';

/** What became of a grab. `empty`: all portions are taken; `expired`: the shares of the event have ended or its packet is gone. */
export type GrabOutcome =
  | { readonly outcome: 'credited'; readonly amountFen: number; readonly portion: number }
  | { readonly outcome: 'empty' }
  | { readonly outcome: 'expired'; readonly problem: Problem }
  | { readonly outcome: 'unsettled'; readonly reason: 'aborted' | 'spent' };

/**
 * Grabs until there is an outcome; the same call again gives the same outcome, so a pending grab simply asks again.
 * @throws HongbaoProblemError for a share token that the server will never honour.
 */
export async function grabShare(
  pursuer: Pursuer,
  request: () => ApiRequest,
  signal?: AbortSignal,
): Promise<GrabOutcome> {
  const end = await pursue(pursuer, { request, judge: judgeGrab, maxMs: pursuer.limits.settleMaxMs, signal });
  return end.end === 'settled' ? end.value : { outcome: 'unsettled', reason: end.end };
}

function judgeGrab(reply: JudgedReply): Verdict<GrabOutcome> | undefined {
  if (reply.kind === 'problem') {
    return reply.problem.code === 'share_expired' ? settled({ outcome: 'expired', problem: reply.problem }) : undefined;
  }
  const body = reply.body as GrabAnswer | null;
  switch (body?.status) {
    case 'credited':
      return settled({ outcome: 'credited', amountFen: body.amountFen, portion: body.portion });
    case 'empty':
      return settled({ outcome: 'empty' });
    case 'pending':
      return { verdict: 'poll', afterMs: body.pollAfterMs };
    default:
      return undefined;
  }
}
