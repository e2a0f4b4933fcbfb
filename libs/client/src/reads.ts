import type { Problem, Share, SharePage } from '#libs/contracts';
import { type JudgedReply, settled, type Verdict } from './pursue.ts';

/** A read that may yield to more important work: `off` is an ordinary answer under load. */
export type ReadOutcome<T> =
  | { readonly outcome: 'ok'; readonly value: T }
  | { readonly outcome: 'off'; readonly problem: Problem };

export type SharePageOutcome = ReadOutcome<SharePage> | { readonly outcome: 'expired'; readonly problem: Problem };

/** `unknown`: the packet is not settled for this user (yet); `impossible`: it has no portions to share. */
export type ShareOutcome =
  | { readonly outcome: 'shared'; readonly share: Share }
  | { readonly outcome: 'expired' | 'unknown' | 'impossible' | 'off'; readonly problem: Problem };

/** Judge of a read: any success is its value, a feature that is off an ordinary outcome. */
export function judgeRead<T>(reply: JudgedReply): Verdict<ReadOutcome<T>> | undefined {
  if (reply.kind === 'answer') return isSuccess(reply) ? settled({ outcome: 'ok', value: reply.body as T }) : undefined;
  return reply.problem.code === 'feature_off' ? settled({ outcome: 'off', problem: reply.problem }) : undefined;
}

export function judgeSharePage(reply: JudgedReply): Verdict<SharePageOutcome> | undefined {
  if (reply.kind === 'problem' && reply.problem.code === 'share_expired') {
    return settled({ outcome: 'expired', problem: reply.problem });
  }
  return judgeRead<SharePage>(reply);
}

const shareRefusals = {
  share_expired: 'expired',
  packet_unknown: 'unknown',
  state_conflict: 'impossible',
  feature_off: 'off',
} as const;

export function judgeShare(reply: JudgedReply): Verdict<ShareOutcome> | undefined {
  if (reply.kind === 'answer') {
    return isSuccess(reply) ? settled({ outcome: 'shared', share: reply.body as Share }) : undefined;
  }
  const { problem } = reply;
  if (!(problem.code in shareRefusals)) return undefined;
  return settled({ outcome: shareRefusals[problem.code as keyof typeof shareRefusals], problem });
}

/** Judge of a call whose only outcome is success. */
export function judgeSuccess<T>(reply: JudgedReply): Verdict<T> | undefined {
  return reply.kind === 'answer' && isSuccess(reply) ? settled(reply.body as T) : undefined;
}

function isSuccess(reply: { readonly status: number; readonly body: unknown }): boolean {
  return reply.status >= 200 && reply.status < 300 && typeof reply.body === 'object' && reply.body !== null;
}
